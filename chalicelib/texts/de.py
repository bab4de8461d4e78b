"""German."""

TEXTS = {
    # Die Seite.
    "page_title": "Ihre Nachricht wurde nicht gesendet",
    "page_lead": "Nichts ist verloren: Ihre Eingaben stehen unten. Bitte prüfen Sie, was markiert ist, und senden Sie"
    " noch einmal.",
    "send": "Senden",
    "name": "Name",
    "email": "E-Mail",
    "subject": "Betreff",
    "message": "Nachricht",
    "description": "Nachricht",
    "_replyto": "E-Mail",
    "replyto": "E-Mail",
    "_subject": "Betreff",
    # Was geschehen ist.
    "accepted": "Danke: Ihre Nachricht ist unterwegs.",
    "invalid": "Einige Felder brauchen noch einen Blick.",
    "malformed": "Die Anfrage konnte nicht gelesen werden.",
    "forbidden_origin": "Dieses Formular darf von jener Seite aus nicht gesendet werden.",
    "FORM_NOT_FOUND": "Dieses Formular gibt es hier nicht.",
    "body_too_large": "Das Formular ist größer als {limit} KiB.",
    "too_many_fields": "Das Formular hat zu viele Felder.",
    "message_too_large": "Die Nachricht ist zu groß; bitte kürzen Sie sie.",
    "unsupported_media_type": "Ein Formular wird als JSON, urlencoded oder multipart gesendet.",
    "unsupported_charset": "Ein Formular wird in UTF-8 gesendet.",
    "unavailable": "Die Nachricht konnte gerade nicht angenommen werden. Bitte senden Sie sie in einer Minute"
    " noch einmal.",
    "unexpected": "Bei uns ist etwas schiefgegangen. Bitte senden Sie die Nachricht in einer Minute noch einmal.",
    # Was an einem Feld falsch ist.
    "REQUIRED_FIELD_MISSING": "Dieses Feld wird benötigt.",
    "REQUIRED_FIELD_EMPTY": "Dieses Feld wird benötigt.",
    "TYPE_EMAIL": "Das ist keine E-Mail-Adresse wie name@example.com.",
    "TYPE_TEXT": "Hier muss Text stehen.",
    "NO_FILE_UPLOADS": "Dateien können mit diesem Formular nicht gesendet werden.",
    "too_long": "Bitte höchstens {limit} Zeichen.",
    "too_large": "Bitte höchstens {limit} KiB.",
    "not_one_line": "Hier darf nur eine Zeile stehen.",
    "control_character": "Hier steht ein Zeichen, das nicht gesendet werden kann.",
    "field_name": "Der Name eines Feldes kann nicht verwendet werden; höchstens {limit} Zeichen in einer Zeile.",
    "not_in_charset": "Der Text hat nicht den Zeichensatz, den die Anfrage nennt.",
    "not_json": "Der Inhalt ist kein gültiges JSON.",
    "not_an_object": "Der Inhalt muss ein JSON-Objekt aus Feldern sein.",
    "no_boundary": "Die Grenze (boundary) des Formulars fehlt oder ist falsch.",
    "not_multipart": "Der Inhalt ist kein multipart-Formular.",
}
