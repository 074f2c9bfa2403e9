"""What is done to imported data before they become an image: image_decompression, image_conversion,
inject_image_metadata, in the order in which `image.import_plugins` names them.

Plugins run on staged files, in every import but the copying between stores; direct uploads pass them by. A
plugin writes a new file and never changes the old one, so a crash in its middle is a beginning anew.

Source: image administration guide, "The Image Import Process": names and settings of the plugins.
"""

import asyncio
from pathlib import Path
from typing import Any

from monostack.image.plugins import conversion, decompression
from monostack.image.stores.file import part

KNOWN = ("image_decompression", "image_conversion", "inject_image_metadata", "no_op")


async def run(cloud, image: dict, before: Path, after: Path) -> dict[str, Any]:
    """Make of the file `before` the file `after`, if the plugins change anything; what has changed: "made" if
    there is a new file, and the formats."""
    settings, source = cloud.settings.image, before
    changed: dict[str, Any] = {}
    for name in settings.import_plugins:
        if name == "image_decompression" and image["container_format"] != "compressed":
            made = await asyncio.to_thread(
                decompression.decompress,
                source,
                part(after),
                settings.max_bytes,
                settings.decompression_ratio,
            )
            if made:
                await asyncio.to_thread(part(after).replace, after)
                source, changed["made"] = after, True
        elif name == "image_conversion":
            target = settings.image_conversion_output_format
            if await conversion.convert(cloud, image, source, part(after), target):
                await asyncio.to_thread(part(after).replace, after)
                source = after
                changed |= {"made": True, "disk_format": target, "container_format": "bare"}
    return changed


def injected(cloud, roles: list[str], properties: dict[str, str]) -> dict[str, str]:
    """An image's properties with those that the operator gives to imports of callers without these roles."""
    settings = cloud.settings.image
    if "inject_image_metadata" not in settings.import_plugins:
        return properties
    if {role.lower() for role in roles} & {role.lower() for role in settings.inject_ignore_user_roles}:
        return properties
    return properties | {name: str(value) for name, value in settings.inject.items()}
