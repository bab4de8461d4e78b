"""Guess what a field means whose name no service documents: `your-message`, `fields[message]`, `Nachricht`.

A name is taken apart into words, of which the last ones must be known to mean the message, the sender's name, address
or a subject, and all before them must say nothing: whose field it is, or which form's. So `company-name` is no name.
Looked at: Contact Form 7 (`your-name`), Elementor (`form_fields[email]`), HTML5 UP (`demo-message`), Shopify
(`contact[body]`), Staticman (`fields[message]`), Drupal (`message[0][value]`), TYPO3
(`tx_form_formframework[contact-1][message]`), Divi (`et_pb_contact_name_0`), Joomla (`jform[contact_email]`), Rails
(`contact_message[body]`), Webflow (`Email-2`).

Loaded only for a form with a name that :data:`~chalicelib.logic.known_field_names.MEANINGS` does not hold.
"""

from __future__ import annotations

import re
import unicodedata

_WORDS = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
"""Where a word begins in yourName."""
_ACCENTS = re.compile("[\u0300-\u036f]")

# Whose, in the languages of the table below; then whatever encloses a form's fields.
_QUALIFIERS = frozenset(
    """
your my the user sender visitor customer client author commenter lead ihr ihre ihren dein deine votre vos ton tu su tus
seu sua tuo tua suo uw je jouw twoj twoja din ditt dit vas vase tvoj

demo contact contacts contactform kontakt contacto contato contatto form forms fields field formfields input inputs data
value txt inp cf wpcf et pb tx formframework jform wpforms submitted webform enquiry inquiry message comment feedback
submission properties
    """.split()  # noqa: SIM905 (a page of strings would be harder to read)
)
"""Words that say nothing about what a field holds when a word that does follows them."""

_MEANINGS = {
    "message": (
        # From the surest to the vaguest: of two names in a form the surer one is the message.
        "message nachricht mitteilung mensaje messaggio mensagem bericht wiadomosc zprava sprava meddelande besked "
        "meddelelse melding beskjed viesti uzenet mesaj mesajiniz pesan poruka sporocilo zinute zinojums teade "
        "сообщение повідомлення съобщение порука μηνυμα メッセージ 留言 訊息 消息 메시지 رسالة הודעה",
        "comment comments kommentar kommentare comentario comentarios commentaire commentaires commento commenti "
        "opmerking opmerkingen komentarz komentar kommentti yorum комментарий коментар コメント お問い合わせ内容 내용 "
        "内容",
        "body content text anliegen inquiry enquiry question query details feedback anfrage frage consulta pregunta "
        "richiesta demande question vraag",
    ),
    "name": (
        "name fullname yourname nom nombre nome naam namn navn nimi imie imieinazwisko jmeno meno nev nume ad adsoyad "
        "isim ime nama имя имяфамилия фио імя име ονομα 名前 お名前 氏名 姓名 이름 성함 שם الاسم nombrecompleto "
        "nomcomplet nomecompleto nomecognome nombreyapellidos vorundnachname namevorname volledigenaam nomprenom",
    ),
    "email": (
        "email emailaddress mail mailaddress emailadresse mailadresse emailadres correo correoelectronico courriel "
        "adresseemail adressemail adresseelectronique indirizzoemail eposta epost epostadress epostadresse mejl "
        "sahkoposti endereçodeemail почта электроннаяпочта електроннапошта имейл メールアドレス メール 邮箱 电子邮件 "
        "電子郵件 이메일 replyto emailid",
    ),
    "subject": (
        "subject betreff asunto objet sujet oggetto assunto onderwerp temat predmet amne emne aihe otsikko targy "
        "subiect konu тема θεμα 件名 主题 主題 제목 emailsubject messagesubject",
    ),
    "source": ("formname formtitle",),
}


def _plain(text: str) -> str:
    """In lower case, of one width and without the accents that a name's author may have left out."""
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", text))


_TABLE = {
    _plain(word): (field, uncertainty)
    for field, groups in _MEANINGS.items()
    for uncertainty, words in enumerate(groups)
    for word in words.split()
}

_TOKENS = re.compile(
    r"csrf\W?_?-?token|_?csrf|csrfmiddlewaretoken|authenticity_token|_token|__requestverificationtoken|xsrf-?token"
    r"|_wpnonce|_wp_http_referer|nonce|_wpcf7\w*|gform_\w+|is_submit_\d+|_method|utf8|form_build_id|form_token"
    r"|form_id|post_id|queried_id|wpforms\[(id|author|post_id|nonce|token)\]|__viewstate\w*|__eventvalidation"
    r"|tx_form_formframework\W.*__(state|trustedproperties|currentpage|session)\W*"
    r"|g-recaptcha(-response)?(-\w+)?|re?captcha-?_?(token|response|v3)|captcha-?_?token|h-captcha-response\S*"
    r"|frc-captcha-\w+|mtcaptcha-verifiedtoken|smart-token|cf-turnstile-response\S*|procaptcha-response",
    re.IGNORECASE,
)
_BUTTON = ("submit", "submitbutton", "submitbtn", "btnsubmit")
_BUTTON_TOO = ("button", "btn")
_ACTION = re.compile(r"[a-z0-9]+([_/.-][a-z0-9]+)+|send|sendmail|submit|mail|contact|form|")
"""The name of a script's action, as against a choice that a page offers ("Donate")."""
_IDENTIFIER = re.compile(r"[\w:./~+=|✓-]*")
"""A token or a number. What a person writes has a space."""
MAX_BUTTON = 60
"""Characters of a button's own text."""
MAX_GUESSED = 200
"""Characters of a name that is guessed. No form's are longer; a stranger's may be as long as the body."""


def is_button_or_token(name: str, text: str) -> bool:
    """Whether a field is a form's machinery: its button, its script's action, a token against forgery or robots.

    What may have been typed by a person is not: there the value decides.
    """
    if len(name) > MAX_GUESSED:
        return False
    plain = name.strip().lower()
    if plain == "action":
        return _ACTION.fullmatch(text.strip()) is not None
    if _TOKENS.fullmatch(plain):
        return _IDENTIFIER.fullmatch(text.strip()) is not None
    words = [_plain(word) for word in _words(name)]
    return (
        any(word in _BUTTON for word in words)
        and words[-1] in (*_BUTTON, *_BUTTON_TOO)
        and all(word in (*_BUTTON, *_BUTTON_TOO, *_QUALIFIERS) for word in words)
        and len(text) <= MAX_BUTTON
        and "\n" not in text
    )


def guess_field(name: str) -> tuple[str, int] | None:
    """The field that a name stands for, and how uncertainly (0 is the surest); None for a name that means none."""
    if len(name) > MAX_GUESSED:
        return None
    words = [_plain(word) for word in _words(name)]
    # What Drupal and others put behind a name: message[0][value], email_field.
    while len(words) > 1 and words[-1] in ("value", "field", "input", "required"):
        words.pop()
    for start, word in enumerate(words):
        if known := _TABLE.get("".join(words[start:])):
            # text-1 and the like are numbered by a program that knows nothing of what is in them.
            return known if known[1] < 2 or not any(map(str.isdigit, name)) else None
        if word not in _QUALIFIERS:
            return None
    return None


def _words(name: str) -> list[str]:
    return _WORDS.findall(_HUMP.sub(" ", name))
