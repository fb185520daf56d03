"""The frame of every page: the run it shows, who looks, and what is said when there is nothing or something broke."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import streamlit as st

from dashboard.views.access import Person, looking_at, who
from dashboard.views.plain import plain
from dashboard.views.workspace import RunEntry, Workspace, find_runs
from engine.errors import PolicyError, TieoutError, UsageError

_LOG: Final = logging.getLogger("tieout.dashboard")

RUN: Final = "run"
"""The part of the address, and of the session, that names the run."""

_MISTAKES: Final = 3
_PAGE: Final = "shell:page"
_ASKED: Final = "shell:asked"

# Numbers of a table stand in columns, so their digits have one width. The browser's own export of a table is hidden: it
# knows no filter, holds only the page, and writes formulas as they are.
_STYLE: Final = """
<style>
[data-testid="stMetricValue"], [data-testid="stTable"] td { font-variant-numeric: tabular-nums; }
[data-testid="stMetricValue"] { font-size: 1.5rem; }
[data-testid="stDataFrame"] [data-testid="stElementToolbar"] { display: none; }
.block-container { padding: 2.5rem 2rem 4rem; }
h1 { font-size: 1.9rem !important; padding-top: 0; }
</style>
"""


@dataclass(frozen=True, slots=True)
class Here:
    """What a page is shown for: the workspace, the chosen run, all runs, and the person."""

    workspace: Workspace
    run: RunEntry
    runs: list[RunEntry]
    person: Person


def style() -> None:
    """Set the few rules of appearance that the theme does not know."""
    st.html(_STYLE)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Tell what went wrong in words: a known error with its remedy, an unknown one by a reference into the log."""
    try:
        yield
    except TieoutError as error:
        told = [f"**{plain(error.message)}** {plain(error.remedy)}".rstrip()]
        if isinstance(error, PolicyError):
            wrong = [each for each in error.diagnostics if each.is_error]
            told += [plain(f"{each.span.file}:{each.span.line}: {each.message}") for each in wrong[:_MISTAKES]]
            told += ["The Policies page has them all, with what to do."]
        st.error("  \n".join(told), icon=":material/error:")
    except Exception:  # noqa: BLE001 - whatever fails, no trace reaches the page; the log has it
        reference = uuid.uuid4().hex[:8]
        _LOG.exception("The page failed, reference %s", reference)
        st.error(
            f"**This page cannot be shown.** Nothing was changed. The server's log has the cause under the reference `{reference}`.",
            icon=":material/error:",
        )


def choose_run() -> None:
    """Show the runs to choose from, the latest chosen; an address with `run=` chooses that one."""
    runs = find_runs(Workspace.from_environment())
    if not runs:
        return
    ids = [each.run_id for each in runs]
    labels = {each.run_id: each.label for each in runs}
    asked = st.query_params.get(RUN)
    following = st.session_state.pop(f"{RUN}:next", None)
    if following in ids:
        st.session_state[RUN] = following
    if RUN not in st.session_state or st.session_state[RUN] not in ids:
        st.session_state[RUN] = next((each for each in ids if asked and each.startswith(asked)), ids[0])
    chosen = st.selectbox("Run", ids, key=RUN, format_func=lambda each: labels.get(each, each), help="The night whose results are shown.")
    if chosen != ids[0]:
        st.query_params[RUN] = chosen
        st.caption(":material/history: An earlier run. The latest is " + labels[ids[0]])
    elif asked is not None:
        del st.query_params[RUN]


def show_person(person: Person) -> None:
    """Say who looks, and whether that is known or only said."""
    st.caption(f":material/person: {person.name} · {person.told}")
    if person.is_signed_in:
        st.button("Sign out", on_click=st.logout)


def current_person() -> Person:
    """Return who looks: the signed-in person where sign-in is set up, else the user of this computer.

    Raises UsageError for a signed-in person without any role.
    """
    person = who(Workspace.from_environment().policies, signed_in_as())
    if not person.roles:
        raise UsageError(f"{person.name} has no role here.", "Ask an admin for a line in policies/access.yaml.")
    return person


def signed_in_as() -> str | None:
    """Return the e-mail address of the signed-in person; None in local mode. Stops the page until one has signed in."""
    if not sign_in_is_set_up():
        return None
    if not st.user.is_logged_in:
        st.title("Tieout")
        st.button("Sign in", type="primary", on_click=st.login)
        st.stop()
    # A provider may let anybody name an address as theirs until it was verified.
    if st.user.get("email_verified") is False:
        raise UsageError("Your e-mail address is not verified.", "Verify it with the identity provider and sign in again.")
    return str(st.user.get("email") or st.user.get("sub"))


def sign_in_is_set_up() -> bool:
    """Say whether the secrets name an identity provider."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def page(title: str, says: str = "") -> Iterator[Here]:
    """Frame a page: its title, then its content guarded; without any run it says how to make one."""
    _come_back(title)
    st.title(title)
    if says:
        st.caption(says)
    here = None
    with guarded():
        here = _here()
    if here is None:
        st.stop()
    try:
        with guarded():
            yield here
    finally:
        st.session_state[f"{_ASKED}:{title}"] = {key: st.query_params.get_all(key) for key in st.query_params if asks(key)}


def asks(part: str) -> bool:
    """Say whether a part of the address is a search, a filter, an order or a page of a table; `items.q` is of the table `items`."""
    return part.rpartition(".")[2] in ("q", "sort", "page", "size") or part.startswith("f.") or ".f." in part


def _come_back(title: str) -> None:
    """Ask of a page's tables what was asked when it was left by the menu; an address that asks for something itself counts."""
    came_from = st.session_state.get(_PAGE)
    st.session_state[_PAGE] = title
    if came_from in (None, title) or set(st.query_params) - {RUN}:
        return
    for key, values in st.session_state.get(f"{_ASKED}:{title}", {}).items():
        st.query_params[key] = values


def _here() -> Here:
    """Return what the page is shown for; stops it where there is no run."""
    workspace, person = Workspace.from_environment(), current_person()
    runs = find_runs(workspace)
    if not runs:
        empty("There is no run yet.", f"`tieout run SNAPSHOT --out {workspace.out}` makes one; `make dashboard` runs the sample firm.")
        st.stop()
    chosen = st.session_state.get(RUN)
    run = next((each for each in runs if each.run_id == chosen), runs[0])
    # The latest run of a firm stands first.
    latest = {each.scope: each.folder for each in reversed(runs)}
    runs = [replace(each, sight=looking_at(workspace.policies, person, each.folder, latest[each.scope]).sight) for each in runs]
    person = looking_at(workspace.policies, person, run.folder, latest[run.scope])
    return Here(workspace, replace(run, sight=person.sight), runs, person)


def whole_firm_only(here: Here, what: str) -> None:
    """Stop a page that is of the whole firm for a person who sees a part of it."""
    if not here.person.sight.is_whole:
        empty(f"{what} is of the whole firm, and you see a part of it.", "Somebody who sees all of it can show you.")
        st.stop()


def empty(what: str, remedy: str = "") -> None:
    """Say that there is nothing, and what would change that."""
    st.info(f"**{what}** {remedy}".rstrip(), icon=":material/inbox:")
