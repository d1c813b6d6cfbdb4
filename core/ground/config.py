"""Settings of a workspace: frozen records, checked once when they are made, kept as JSON.

No setting is read from anywhere else; what a run or an index depends on is saved with it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args

from core.ground.errors import ConfigRefused

Mode = Literal["strokes", "crop", "plain", "joined"]
Kind = Literal["drawing", "photo", "icon"]
Role = Literal["viewer", "curator", "researcher"]
IndexKind = Literal["exact", "fast"]

MODES: tuple[str, ...] = get_args(Mode)
TRAINABLE: tuple[Mode, ...] = ("strokes", "crop", "plain")  # a network that is trained here takes one picture
KINDS: tuple[str, ...] = get_args(Kind)
ROLES: tuple[Role, ...] = get_args(Role)
INDEX_KINDS: tuple[IndexKind, ...] = get_args(IndexKind)
_SERVER = re.compile(r"https?://[\w.-]+(:\d{1,5})?/?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?/?")
_HEAD = re.compile(r"([\w.-]+|\[[0-9a-fA-F:]+\]):\d{1,5}")


@dataclass(frozen=True)
class Preprocessing:
    """What the model sees: how a decoded image becomes its square input.

    ``mode``: ``strokes`` crops to the ink and redraws it with one stroke width; ``crop`` only
    crops; ``plain`` keeps the whole picture (photographs, prints); ``joined`` is ``crop`` and ``plain`` beside each
    other, each embedded for itself and both vectors joined: photographs of marks, by an encoder that was not trained
    here. ``size``: side in pixels; 96 is as right on line marks as 128, in half the time (benchmarks/README.md).
    """

    mode: Mode = "strokes"
    size: int = 96

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ConfigRefused(
                "The mode must be one of {modes}, not {value}.", modes=", ".join(MODES), value=self.mode
            )
        whole = isinstance(self.size, int) and not isinstance(self.size, bool)
        if not whole or not 32 <= self.size <= 512 or self.size % 32:
            raise ConfigRefused(
                "The size must be a multiple of 32 from 32 to 512 pixels, not {value}.", value=self.size
            )

    @property
    def whole(self) -> bool:
        """Whether the picture itself is compared: no mark is looked for in it, only a region cuts it."""
        return self.mode in ("plain", "joined")

    @property
    def parts(self) -> tuple[Self, ...]:
        """The pictures that lie beside each other in what the model sees."""
        return (replace(self, mode="crop"), replace(self, mode="plain")) if self.mode == "joined" else (self,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of what the model sees: height, width, channels."""
        return self.size, self.size * len(self.parts), 3

    @property
    def trained(self) -> Self:
        """How a network that is trained in this workspace sees: one picture, the whole one where two are joined."""
        return self if self.mode in TRAINABLE else replace(self, mode="plain")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Self:
        return _known(cls, record)


@dataclass(frozen=True)
class WorkspaceConfig:
    """One workspace's settings, saved as ``data/workspace.json``.

    ``false_accept_rate``: the share of marks from outside the base that may be named all the
    same (0 to 0.5); ``neighbours``: k of the vote; ``weights``: "" for the bundled default, or
    what `core.embedding.weights.resolve` understands; ``catalogue_url``: "" for SQLite in the workspace.
    ``index_url``: a Milvus server that searches among the vectors, "" for this process; its token comes from the
    environment. ``index_kind``: "exact", or "fast" for an index that may miss a neighbour (its recall is measured).
    ``ray_address``: the head of a Ray cluster ("head:6379") that does the heavy jobs, "" for this machine.
    ``tolerance``: the share of draws (0 to 0.5) of a transform that may land in another class before it is left out.
    ``language``: of whoever has chosen none, "" for that of their browser.
    ``roles``: role by name or, where people sign in, by e-mail address; ``default_role``: of everybody
    else, "" for viewer where people sign in and researcher where they do not.
    """

    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    false_accept_rate: float = 0.05
    neighbours: int = 10
    weights: str = ""
    tolerance: float = 0.15
    catalogue_url: str = ""
    index_url: str = ""
    index_kind: IndexKind = "exact"
    ray_address: str = ""
    sample: bool = False
    language: Literal["", "en", "fr"] = ""
    roles: dict[str, Role] = field(default_factory=dict)
    default_role: Role | Literal[""] = ""

    def __post_init__(self) -> None:
        if not 0 < self.false_accept_rate <= 0.5:
            raise ConfigRefused(
                "The false-accept rate must be above 0 and at most 0.5, not {value}.", value=self.false_accept_rate
            )
        if not 1 <= self.neighbours <= 100:
            raise ConfigRefused("The number of neighbours must be from 1 to 100, not {value}.", value=self.neighbours)
        if not 0 <= self.tolerance <= 0.5:
            raise ConfigRefused("The tolerance must be from 0 to 0.5, not {value}.", value=self.tolerance)
        if self.language not in ("", "en", "fr"):
            raise ConfigRefused(
                "The language must be one of {known}, not {value}.", known="en, fr", value=self.language
            )
        if self.index_kind not in INDEX_KINDS:
            kinds = ", ".join(INDEX_KINDS)
            raise ConfigRefused(
                "The kind of index must be one of {kinds}, not {value}.", kinds=kinds, value=self.index_kind
            )
        if self.index_url and not _SERVER.fullmatch(self.index_url):
            raise ConfigRefused(
                "The address of a search server is like http://milvus:19530; a token or password belongs in the "
                "environment variable BURIN_INDEX_TOKEN."
            )
        if self.ray_address and not _HEAD.fullmatch(self.ray_address):
            raise ConfigRefused("The address of a cluster is like head:6379.")
        for name, role in (*self.roles.items(), ("default_role", self.default_role or "viewer")):
            if role not in ROLES:
                raise ConfigRefused(
                    "The role of {name} must be one of {roles}, not {value}.",
                    name=name,
                    roles=", ".join(ROLES),
                    value=role,
                )

    def role_of(self, *known_as: str, signed_in: bool) -> Role:
        """The role of a person by the first of these names that has one, whatever its letters' case."""
        by_name = {name.strip().casefold(): role for name, role in self.roles.items()}
        for name in known_as:
            if (role := by_name.get(name.strip().casefold())) is not None:
                return role
        return self.default_role or ("viewer" if signed_in else "researcher")

    def with_(self, **changes: Any) -> Self:
        return replace(self, **changes)

    def to_text(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a saved record; raises `ConfigRefused` on anything that is not one."""
        try:
            record = json.loads(text)
            record["preprocessing"] = Preprocessing.from_json(record.get("preprocessing", {}))
            return _known(cls, record)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigRefused("The settings file is damaged: {why}.", why=error) from error


def _known(cls: type, record: dict[str, Any]) -> Any:
    """Build ``cls`` from the keys it knows, so that a newer file still opens."""
    names = {f.name for f in fields(cls)}
    return cls(**{key: value for key, value in record.items() if key in names})
