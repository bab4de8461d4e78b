"""The kinds of files, and which of them a file claims to be by its name and media type.

Which it is by its bytes: ``file_examination.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.logic.file_names import is_seen

KINDS = ("image", "pdf", "document", "text", "audio", "video", "archive")
"""The kinds that a site may take."""
MARKUP = "markup"
"""HTML, SVG, XML and scripts: no site takes them, as a browser would run them."""
OTHER = "other"
"""Programs, fonts, and whatever has no kind."""

_EXTENSIONS: Mapping[str, str] = {
    extension: kind
    for kind, extensions in {
        "image": "jpg jpeg jpe jfif png apng gif webp avif heic heif tif tiff bmp ico jxl jp2 psd dng cr2 nef arw",
        "pdf": "pdf",
        "document": "doc docx xls xlsx ppt pptx odt ods odp rtf epub pages numbers key",
        "text": "txt text csv tsv md log json yaml yml ics vcf srt",
        "audio": "mp3 m4a aac ogg oga opus flac wav wma mid midi aif aiff amr",
        "video": "mp4 m4v mov avi mkv webm wmv mpg mpeg 3gp flv ogv",
        "archive": "zip gz tgz bz2 xz 7z rar tar zst lz4",
        MARKUP: "htm html xhtml xht shtml mht mhtml svg svgz xml xsl xslt js mjs hta",
        OTHER: (
            # What Amazon SES takes from nobody: https://docs.aws.amazon.com/ses/latest/dg/mime-types.html
            "ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp inf ins isp its jse ksh lib lnk"
            " mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz msc msh msh1 msh2 mshxml msh1xml"
            " msh2xml msi msp mst ops pcd pif plg prf prg ps1 ps1xml ps2 ps2xml psc1 psc2 reg scf scr sct shb shs sys"
            " tmp url vb vbe vbs vps vsmacros vss vst vsw vxd ws wsc wsf wsh xnk"
            # What some system starts, too.
            " apk command deb desktop dll dmg iso jar otf php pkg pl py pyw rb rpm sh swf ttf wasm webloc woff woff2"
        ),
    }.items()
    for extension in extensions.split()
}
_TYPES: Mapping[str, str] = {
    "application/pdf": "pdf",
    "application/msword": "document",
    "application/rtf": "document",
    "application/epub+zip": "document",
    "application/zip": "archive",
    "application/gzip": "archive",
    "application/json": "text",
    "text/html": MARKUP,
    "text/xml": MARKUP,
    "application/xml": MARKUP,
    "text/javascript": MARKUP,
    "application/javascript": MARKUP,
}
_DOCUMENTS = ("application/vnd.openxmlformats-", "application/vnd.oasis.opendocument.", "application/vnd.ms-")
_WHOLE_GROUPS = ("image", "text", "audio", "video")


def declared_kind(name: str, media_type: str) -> str:
    """The kind that a file claims to be: by its extension, else by its declared media type; empty for no claim.

    The extension is the one that a system reads: Windows takes dots and spaces at the end for nothing.
    """
    _, dot, extension = "".join(filter(is_seen, name)).rstrip(". ").rpartition(".")
    if dot and (kind := _EXTENSIONS.get(extension.strip().lower())):
        return kind
    return kind_of_type(media_type)


def kind_of_type(media_type: str) -> str:
    """The kind of a media type such as ``image/png``; empty for an unknown one."""
    media_type = media_type.partition(";")[0].strip().lower()
    if media_type.endswith("+xml"):
        return MARKUP
    if kind := _TYPES.get(media_type):
        return kind
    if media_type.startswith(_DOCUMENTS):
        return "document"
    group = media_type.partition("/")[0]
    return group if group in _WHOLE_GROUPS else ""
