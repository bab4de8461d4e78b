"""Make the CycloneDX bill of materials of a deployment zip, from the metadata in the zip itself.

https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import hashlib
import json
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zipfile import ZipFile


def bill(package: Path, release: str) -> str:
    """The bill of a zip. It is the same for the same zip: it holds no time and no random number.

    Chalice packs two of its own modules without metadata; their version is that of the installed Chalice.
    """
    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    with ZipFile(package) as archive:
        found = [
            _component(Parser().parsestr(archive.read(name).decode(), headersonly=True))
            for name in archive.namelist()
            if name.endswith(".dist-info/METADATA")
        ]
    chalice = {"type": "library", "name": "chalice", "version": version("chalice"), "scope": "required"}
    components = sorted([*found, _named(chalice)], key=lambda each: str(each["name"]))
    herald = {
        "type": "application",
        "bom-ref": "herald",
        "name": "herald",
        "version": release,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }
    whole = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, sha256)}",
        "version": 1,
        "metadata": {"component": herald},
        "components": components,
        "dependencies": [{"ref": "herald", "dependsOn": [each["bom-ref"] for each in components]}],
    }
    return json.dumps(whole, indent=2) + "\n"


def _component(metadata: Message) -> dict[str, Any]:
    """https://packaging.python.org/en/latest/specifications/core-metadata/"""
    if expression := metadata["License-Expression"]:
        licences: list[dict[str, Any]] = [{"expression": expression}]
    else:
        classifiers = [each.split(" :: ") for each in metadata.get_all("Classifier", [])]
        name, _, text = (metadata["License"] or "unknown").strip().partition("\n")
        named = [each[-1] for each in classifiers if each[0] == "License"] or [name]
        licences = [{"license": {"name": name}} for name in named]
        if text and named == [name]:  # The whole licence stands there, not its name.
            licences = [{"license": {"name": "see its text", "text": {"content": f"{name}\n{text}"}}}]
    found = {"type": "library", "name": metadata["Name"], "version": metadata["Version"], "scope": "required"}
    return _named(found) | {"licenses": licences}


def _named(component: dict[str, Any]) -> dict[str, Any]:
    purl = f"pkg:pypi/{component['name'].lower().replace('_', '-')}@{component['version']}"
    return {**component, "bom-ref": purl, "purl": purl}
