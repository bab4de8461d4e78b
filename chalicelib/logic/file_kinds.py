"""Files of a form: which kinds there are, what a file claims to be, and what is shown of its name.

What a file is by its bytes: ``file_examination.py``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

KINDS = ("image", "pdf", "document", "text", "audio", "video", "archive")
"""The kinds that a site may take."""
MARKUP = "markup"
"""HTML, SVG, XML and scripts: no site takes them, as a browser would run them."""
OTHER = "other"
"""Programs, fonts, and whatever has no kind."""
MAX_NAME = 100
"""Most characters of a file's name that are kept."""
MAX_NAME_BYTES = 200
"""Most bytes of a file's name on a disk: 255 is what file systems take, and a number stands before it."""

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
        OTHER: "exe dll msi bat cmd com scr ps1 sh vbs jar apk dmg pkg deb rpm iso lnk ttf otf woff woff2 wasm swf",
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

_UNSAFE_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
"""What Windows refuses: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file"""


def declared_kind(name: str, media_type: str) -> str:
    """The kind that a file claims to be: by its extension, else by its declared media type; empty for no claim."""
    _, dot, extension = name.rpartition(".")
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


def kept_name(sent: str, number: int) -> str:
    """The name under which a file is kept and shown: one line, without a path, without characters that nobody sees.

    It is still a visitor's text. ``number`` (from 1) names a file that has none.
    """
    last = re.split(r"[/\\]", sent)[-1]
    # Cc, Cf and the like: controls, and what turns the direction of writing around ("gpj.exe").
    seen = "".join(" " if character.isspace() else character for character in last if _is_seen(character))
    name = " ".join(seen.split())
    if name.strip(". ") == "":
        return f"file-{number}"
    if len(name) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    ending = f"{dot}{extension}" if stem and len(extension) <= 8 else ""
    return f"{name[: MAX_NAME - 1 - len(ending)]}…{ending}"


def _is_seen(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def disk_name(kept: str, number: int) -> str:
    """A file name that every system takes, and that is no other's: ``<number>-<name>``, at most 255 bytes of UTF-8.

    The number in front also keeps a name from being hidden (``.profile``), an option (``-rf``) or a device (``NUL``).
    """
    name = _UNSAFE_IN_NAMES.sub("_", kept_name(kept, number)).rstrip(". ")
    stem, dot, extension = name.rpartition(".")
    ending = f"{dot}{extension}" if stem and len(extension.encode()) <= 16 else ""
    stem = name.removesuffix(ending) if ending else name
    room = MAX_NAME_BYTES - len(ending.encode())
    return f"{number}-{stem.encode()[:room].decode(errors='ignore')}{ending}"
