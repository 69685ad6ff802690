"""From a configuration of nginx to a draft of one of the broker."""

from __future__ import annotations

from collections.abc import Iterator

from broker.core.mounts import wish_for
from broker.core.units import format_size
from broker.migration import nchan, pushstream
from broker.migration.checking import Refused, find_refused
from broker.migration.configuration import Configuration, Directive, walk
from broker.migration.draft import ANY_TOKEN, Draft, Fate, MountDraft, NoCounterpart
from broker.migration.endpoints import ROLES, Endpoint, find_endpoints, is_ours
from broker.migration.measures import BadMeasure, read_size_bytes
from broker.migration.rows import SUBSCRIBERS, Scene
from broker.migration.stores import NAMES, carry_store
from broker.migration.table import CLOSING, GUARDS, TABLE, TAKEN

NGINX_BODY_BYTES = 1024 * 1024
"""Size of a publisher's body where `client_max_body_size` says nothing."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Size of a message that a rule may allow."""

PUBLISHERS = frozenset({"publisher", "nchan_publisher"})

_PUSH_STREAM = "push_stream_"


def migrate(configuration: Configuration) -> Draft:
    """
    Carry a configuration over.

    Every directive of both modules has a finding in the draft, and so has what nginx itself does
    about an endpoint.

    Args:
        configuration: What was read.
    """
    draft = _draft(configuration, {})
    refused = find_refused(draft)
    return _draft(configuration, refused) if refused else draft


def _draft(configuration: Configuration, refused: Refused) -> Draft:
    draft = Draft()
    carry_store(configuration, draft)
    for endpoint in find_endpoints(configuration.directives):
        _carry(endpoint, draft, refused)
    for directive in configuration.unread:
        draft.tell(directive, Fate.NONE, why="no such file here; what it holds is not carried over")
    for directive in walk(configuration.directives):
        if is_ours(directive.name) and not draft.knows(directive):
            _tell_unused(directive, draft)
    return draft


def _carry(endpoint: Endpoint, draft: Draft, refused: Refused) -> None:
    mounts: list[MountDraft] = []
    for role in endpoint.roles:
        mounts += _mounts(endpoint, role, draft, refused, mounts)
    scene = Scene(endpoint, tuple(mounts), draft)
    for directive in _holding(endpoint):
        if is_ours(directive.name):
            if directive.name not in NAMES:  # of stores, which are told
                _apply(scene, directive)
        elif mounts:
            _tell_nginx(scene, directive)
    for condition in endpoint.conditions:
        for directive in walk(condition.children):
            _apply_condition(scene, condition, directive)
    draft.mounts += mounts
    _measure(scene)


def _mounts(
    endpoint: Endpoint,
    role: Directive,
    draft: Draft,
    refused: Refused,
    before: list[MountDraft],
) -> list[MountDraft]:
    """
    Return the mounts for what makes an endpoint answer, and tell what became of it.

    Args:
        endpoint: The endpoint.
        role: What makes it answer.
        draft: What was made so far.
        refused: Mounts that the broker would refuse.
        before: Mounts for what else makes the same endpoint answer.
    """
    row = TABLE[role.name]
    if row.apply is None:
        draft.tell(role, row.fate, why=row.why)
        return []
    make = pushstream.draft_mounts if role.name.startswith(_PUSH_STREAM) else nchan.draft_mounts
    try:
        mounts, remark = make(endpoint, role)
        for mount in mounts:
            _check(mount, [*draft.mounts, *before], refused)
    except NoCounterpart as exc:
        draft.tell(role, Fate.NONE, why=str(exc))
        return []
    became = row.apply(Scene(endpoint, tuple(mounts), draft), role)
    fate = Fate.CHANGED if remark else row.fate
    draft.tell(role, fate, became, "; ".join(filter(None, (row.why, remark))))
    return mounts


def _check(mount: MountDraft, others: list[MountDraft], refused: Refused) -> None:
    """Refuse a path that another location has taken, and what the broker would refuse."""
    if reason := refused.get((mount.place, mount.mode)):
        raise NoCounterpart(reason)
    for other in others:
        if other.path == mount.path and _slot(other) == _slot(mount):
            raise NoCounterpart(f"{mount.path} is taken by the location at {other.place}")


def _slot(mount: MountDraft) -> str:
    return wish_for(mount.mode) if mount.mode in SUBSCRIBERS else "internal"


def _holding(endpoint: Endpoint) -> Iterator[Directive]:
    for directives in endpoint.directives.values():
        yield from directives


def _apply(scene: Scene, directive: Directive) -> None:
    row = TABLE.get(directive.name)
    if row is None:
        scene.draft.tell(directive, Fate.NONE, why="no version of the modules has it")
    elif row.apply is None:
        scene.draft.tell(directive, row.fate, why=row.why)
    elif not scene.mounts:
        return  # told by its endpoint, which has no counterpart, or by another one
    else:
        try:
            scene.draft.tell(directive, row.fate, row.apply(scene, directive), row.why)
        except (NoCounterpart, BadMeasure) as exc:
            _tell_refused(scene, directive, str(exc))


def _tell_refused(scene: Scene, directive: Directive, reason: str) -> None:
    """Tell why a directive has no counterpart; an inherited one may have it elsewhere."""
    if directive in scene.endpoint.block.children:
        scene.draft.tell(directive, Fate.NONE, why=reason)
    else:
        scene.draft.leave(directive, reason)


def _apply_condition(scene: Scene, condition: Directive, directive: Directive) -> None:
    """Carry over what holds in an `if`, where it does no harm without the condition."""
    row = TABLE.get(directive.name)
    if row is None:
        return
    harmless = directive.name.startswith(f"{_PUSH_STREAM}last_")
    if not harmless or row.apply is None or not scene.mounts:
        where = " ".join(condition.words).replace(" )", ")")
        scene.draft.tell(
            directive, Fate.NONE, why=f"it holds if {where}, and a mount knows no condition"
        )
        return
    became = row.apply(scene, directive)
    why = f"{row.why}; without the condition"
    scene.draft.tell(directive, Fate.CHANGED, became, why)


def _tell_nginx(scene: Scene, directive: Directive) -> None:
    """Tell what nginx itself does about an endpoint; what keeps people out is not left open."""
    if directive.name in TAKEN:
        _tell_taken(scene, directive)
        return
    why = "it is nginx's own: keep it in front"
    if directive.name in CLOSING and directive.value != "off":
        try:
            became = scene.put(SUBSCRIBERS, "subscribe", ANY_TOKEN)
        except NoCounterpart:
            became = ""
        scene.draft.tell(directive, Fate.NGINX, became, f"{why}; subscribers need a token as well")
    elif directive.name in GUARDS or directive in scene.endpoint.block.children:
        scene.draft.tell(directive, Fate.NGINX, why=why)


def _tell_taken(scene: Scene, directive: Directive) -> None:
    """Tell what became of a directive of nginx that mounts were made with."""
    key = TAKEN[directive.name]
    mounts = [mount for mount in scene.mounts if key in mount.keys]
    if not mounts or directive not in scene.endpoint.block.children:
        return
    type_, _, rest = directive.value.partition(";")
    became = ", ".join(f"{key} of {mount}" for mount in mounts)
    if key == "content_type" and mounts[0].keys[key] != type_.strip():
        scene.draft.tell(directive, Fate.CHANGED, became, f"text/plain, as {type_} is not offered")
    elif rest.strip().lower() in {"", "charset=utf-8"}:
        scene.draft.tell(directive, Fate.SAME, became)
    else:
        scene.draft.tell(directive, Fate.CHANGED, became, "everything is UTF-8")


def _measure(scene: Scene) -> None:
    """Take over how large a message may be."""
    if not any(mount.mode in PUBLISHERS for mount in scene.mounts):
        return
    directive = scene.endpoint.find("client_max_body_size")
    try:
        size = read_size_bytes(directive.value) if directive else NGINX_BODY_BYTES
    except BadMeasure:
        size = NGINX_BODY_BYTES
    size = min(size or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES)
    scene.draft.max_message_bytes = max(size, scene.draft.max_message_bytes or 0)
    if directive:
        became = f"max_message: {format_size(scene.draft.max_message_bytes)}"
        scene.draft.tell(directive, Fate.SAME, became)


def _tell_unused(directive: Directive, draft: Draft) -> None:
    row = TABLE.get(directive.name)
    if row is None:
        draft.tell(directive, Fate.NONE, why="no version of the modules has it")
    elif row.apply is None:
        draft.tell(directive, row.fate, why=row.why)
    elif directive.name in ROLES:
        draft.tell(directive, Fate.NONE, why="it stands where no location is, or under a condition")
    else:
        reason = draft.reason_left(directive) or "no endpoint that is carried over is below it"
        draft.tell(directive, Fate.NONE, why=reason)
