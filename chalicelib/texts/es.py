"""Spanish."""

TEXTS = {
    # La página.
    "page_title": "Su mensaje no se ha enviado",
    "page_address": "No se ha enviado nada",
    "page_lead": "No se ha perdido nada: lo que ha escrito está más abajo. Revise lo que está señalado y vuelva a"
    " enviarlo.",
    "page_kept": "No se ha perdido nada: lo que ha escrito está más abajo, para que pueda copiarlo.",
    "page_typed": "Lo que ha escrito",
    "page_back": "Volver a {site}",
    "send": "Enviar",
    "name": "Nombre",
    "email": "Correo electrónico",
    "subject": "Asunto",
    "message": "Mensaje",
    # Qué ha pasado.
    "accepted": "Gracias: su mensaje está en camino.",
    "invalid": "Hay campos que conviene revisar.",
    "malformed": "No se ha podido leer la solicitud.",
    "forbidden_origin": "Este formulario no se puede enviar desde esa página.",
    "FORM_NOT_FOUND": "Aquí no existe ese formulario.",
    "method_not_allowed": 'Este formulario necesita method="post": se ha enviado de otra manera o se ha abierto su'
    " dirección.",
    "body_too_large": "El formulario ocupa más de {limit} KiB.",
    "too_many_fields": "El formulario tiene demasiados campos.",
    "message_too_large": "El mensaje es demasiado grande; acórtelo, por favor.",
    "unsupported_media_type": "Un formulario se envía como JSON, urlencoded o multipart.",
    "unsupported_charset": "Los formularios no se envían con ese juego de caracteres. El correcto es UTF-8.",
    "unavailable": "En este momento no se ha podido recibir el mensaje. Vuelva a enviarlo dentro de un minuto,"
    " por favor.",
    "unexpected": "Algo ha fallado por nuestra parte. Vuelva a enviar el mensaje dentro de un minuto, por favor.",
    # Qué falla en un campo.
    "REQUIRED_FIELD_MISSING": "Este campo es obligatorio.",
    "REQUIRED_FIELD_EMPTY": "Este campo es obligatorio.",
    "TYPE_EMAIL": "No es una dirección de correo como nombre@example.com.",
    "TYPE_TEXT": "Aquí tiene que haber texto.",
    "NO_FILE_UPLOADS": "Con este formulario no se pueden enviar archivos.",
    "too_long": "Como máximo {limit} caracteres, por favor.",
    "too_large": "Como máximo {limit} KiB, por favor.",
    "not_in_charset": "El texto no está en el juego de caracteres que indica la solicitud.",
    "not_json": "El contenido no es JSON válido.",
    "not_an_object": "El contenido tiene que ser un objeto JSON de campos.",
    "no_boundary": "Falta el delimitador (boundary) del formulario o no es válido.",
    "not_multipart": "El contenido no es un formulario multipart.",
    # El resumen diario, que lee el propietario.
    "digest_messages": "Mensajes",
    "digest_delivered": "Entregados",
    "digest_waiting": "Aún se intenta",
    "digest_stored": "Aún sin intentar",
    "digest_undeliverable": "No entregados",
    "digest_uncertain": "Quizá entregados",
    "digest_quarantined": "En cuarentena",
    "digest_summarized": "Avisados en un resumen",
    "digest_duplicate": "Enviados dos veces, avisados una",
    "digest_failed": "Fallos por",
    "digest_quota": "Cupo restante de",
    "digest_not_ready": "No puede entregar ahora:",
    "digest_period": "Recibidos",
    # El resumen de lo que llegó demasiado rápido para avisar de cada uno.
    "summary_title": "{count} mensajes más",
    "summary_since": "{count} mensajes más desde el {since} UTC, avisados juntos porque llegaron demasiado rápido.",
    "summary_more": "… y {count} más. Todos están guardados.",
}
