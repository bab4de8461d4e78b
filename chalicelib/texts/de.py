"""German."""

TEXTS = {
    # Die Seite.
    "page_title": "Ihre Nachricht wurde nicht gesendet",
    "page_address": "Es wurde nichts gesendet",
    "page_lead": "Nichts ist verloren: Ihre Eingaben stehen unten. Bitte prüfen Sie, was markiert ist, und senden Sie"
    " noch einmal.",
    "page_kept": "Nichts ist verloren: Ihre Eingaben stehen unten, damit Sie sie kopieren können.",
    "page_typed": "Ihre Eingaben",
    "page_back": "Zurück zu {site}",
    "send": "Senden",
    "name": "Name",
    "email": "E-Mail",
    "subject": "Betreff",
    "message": "Nachricht",
    # Was geschehen ist.
    "accepted": "Danke: Ihre Nachricht ist unterwegs.",
    "invalid": "Einige Felder brauchen noch einen Blick.",
    "malformed": "Die Anfrage konnte nicht gelesen werden.",
    "forbidden_origin": "Dieses Formular darf von jener Seite aus nicht gesendet werden.",
    "FORM_NOT_FOUND": "Dieses Formular gibt es hier nicht.",
    "method_not_allowed": 'Dieses Formular braucht method="post": Es wurde anders gesendet, oder seine Adresse'
    " wurde geöffnet.",
    "body_too_large": "Das Formular ist größer als {limit} KiB.",
    "too_many_fields": "Das Formular hat zu viele Felder.",
    "message_too_large": "Die Nachricht ist zu groß; bitte kürzen Sie sie.",
    "unsupported_media_type": "Ein Formular wird als JSON, urlencoded oder multipart gesendet.",
    "unsupported_charset": "In diesem Zeichensatz werden keine Formulare gesendet. Richtig ist UTF-8.",
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
    "not_in_charset": "Der Text hat nicht den Zeichensatz, den die Anfrage nennt.",
    "not_json": "Der Inhalt ist kein gültiges JSON.",
    "not_an_object": "Der Inhalt muss ein JSON-Objekt aus Feldern sein.",
    "no_boundary": "Die Grenze (boundary) des Formulars fehlt oder ist falsch.",
    "not_multipart": "Der Inhalt ist kein multipart-Formular.",
    # Die Zusammenfassung, die der Inhaber liest.
    "digest_messages": "Nachrichten",
    "digest_delivered": "Zugestellt",
    "digest_waiting": "Wird noch versucht",
    "digest_stored": "Noch nicht versucht",
    "digest_undeliverable": "Nicht zugestellt",
    "digest_uncertain": "Vielleicht zugestellt",
    "digest_quarantined": "In Quarantäne",
    "digest_summarized": "In Zusammenfassung genannt",
    "digest_duplicate": "Doppelt gesendet, einmal gemeldet",
    "digest_failed": "Gescheitert über",
    "digest_quota": "Rest des Kontingents von",
    "digest_not_ready": "Kann gerade nicht zustellen:",
    "digest_period": "Eingegangen",
    # Was zu schnell kam, um einzeln zu klingeln.
    "summary_title": "{count} weitere Nachrichten",
    "summary_since": "{count} weitere Nachrichten seit {since} UTC, zusammen gemeldet, weil sie zu schnell kamen.",
    "summary_more": "… und {count} weitere. Alle sind gespeichert.",
}
