"""The leak audit: whether anything that is measured was seen in training, under whatever name.

It runs before every training and is kept with the run; every score carries its badge. It finds leaks and
mends none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from core.ground.translations import _
from core.training.families import families
from core.training.splits import Split, near_duplicate_groups
from core.variation.sources import Original
from core.variation.variants import Manifest

Kind = Literal["content", "original", "near-duplicate"]

KINDS: dict[str, str] = {
    "content": _("The same file on two sides"),
    "original": _("Pictures made from one original on two sides"),
    "near-duplicate": _("Almost the same picture on two sides"),
}


@dataclass(frozen=True)
class Leak:
    """Contents (``sha256s``) that are one picture and lie on several ``sides``; ``names``: folder/file of each."""

    kind: Kind
    sha256s: tuple[str, ...]
    sides: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class LeakAudit:
    """What `audit` found; ``images``: how many originals it looked at. ``open``: names (folder/file) that leave open
    whether they are variants of one drawing, where some of them lie on several sides."""

    findings: tuple[Leak, ...] = ()
    images: int = 0
    open: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing leaks; where that is `open`, it is not known to be clean."""
        return not self.findings and not self.open

    def to_json(self) -> dict[str, Any]:
        findings = [
            {"kind": leak.kind, "sha256s": list(leak.sha256s), "sides": list(leak.sides), "names": list(leak.names)}
            for leak in self.findings
        ]
        return {"clean": self.clean, "images": self.images, "findings": findings, "open": list(self.open)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        found = [
            Leak(leak["kind"], tuple(leak["sha256s"]), tuple(leak["sides"]), tuple(leak["names"]))
            for leak in record["findings"]
        ]
        return cls(tuple(found), int(record["images"]), tuple(record.get("open", ())))


def audit(
    split: Split,
    originals: Sequence[Original],
    *,
    groups: Mapping[str, int] | None = None,
    manifest: Manifest | None = None,
) -> LeakAudit:
    """Look for pictures that are on several sides of ``split``: by the id of their original in the catalogue, by
    the hash of a file, by ``manifest`` (a written variant that is filed as an original), by what their names say
    (`core.training.families`), and by how they look.

    ``groups``: as `near_duplicate_groups` gives them; looked for here where None, never taken from the split.
    """
    known = [original for original in originals if original.sha256 in split.side]
    named: dict[str, str] = {original.sha256: f"{original.folder}/{original.path.name}" for original in known}
    groups = near_duplicate_groups(known) if groups is None else groups
    by_name = families(known)
    looked_for: list[tuple[Kind, dict[Any, set[str]]]] = [
        ("content", _gathered((_content(original), original.sha256) for original in known)),
        ("original", _of_one_original(known, manifest)),
        ("original", _gathered((family, sha256) for sha256, family in by_name.of.items())),
        ("near-duplicate", _gathered((groups[o.sha256], o.sha256) for o in known if o.sha256 in groups)),
    ]
    findings, said = [], set()
    for kind, found in looked_for:
        for family in found.values():
            sides = {split.side[sha256] for sha256 in family}
            members = tuple(sorted(family))
            if len(sides) > 1 and members not in said:
                said.add(members)
                names = tuple(named[sha256] for sha256 in members)
                findings.append(Leak(kind, members, tuple(sorted(sides)), names))
    doubtful = tuple(sorted(named[sha256] for sha256 in by_name.open))
    apart = len({split.side[sha256] for sha256 in by_name.open}) > 1
    return LeakAudit(tuple(findings), len(known), doubtful if apart else ())


def _content(original: Original) -> str:
    """The hash of what the file holds now, which a split made earlier may not know; unreadable: as it was."""
    from core.ground.images import content_hash

    try:
        content = content_hash(original.path.read_bytes())
        return content if original.region is None else original.region.of(content)
    except OSError:
        return original.sha256


def _of_one_original(originals: Sequence[Original], manifest: Manifest | None) -> dict[Any, set[str]]:
    """Contents by the original they were made from: its id in the catalogue, or its hash in the manifest."""
    pairs: list[tuple[Any, str]] = [(o.item_id, o.sha256) for o in originals if o.item_id is not None]
    if manifest is not None:
        here = {original.sha256 for original in originals}
        for variant in manifest.variants():
            if variant.sha256 in here:
                pairs += [(variant.original_sha256, variant.sha256)]
                pairs += [(variant.original_sha256, variant.original_sha256)] if variant.original_sha256 in here else []
    return _gathered(iter(pairs))


def _gathered(pairs: Iterator[tuple[Any, str]]) -> dict[Any, set[str]]:
    families: dict[Any, set[str]] = {}
    for key, sha256 in pairs:
        families.setdefault(key, set()).add(sha256)
    return families
