"""Every page through the application itself, on a small firm, on nothing, and on what is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views.plain import plain
from dashboard.views.workspace import Workspace, find_runs

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.stem for path in (ROOT / "dashboard" / "screens").glob("*.py"))


def opened(page: str = "overview", **params: str) -> AppTest:
    """Open a page of the application with an address's parts."""
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=60)
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    if page != "overview":
        app.switch_page(f"screens/{page}.py")
        for name, value in params.items():
            app.query_params[name] = value
        app.run()
    return app


def texts(app: AppTest) -> str:
    return " ".join(str(each.value) for kind in (app.markdown, app.caption, app.info, app.error, app.subheader) for each in kind)


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_a_run(workspace: Workspace, page: str) -> None:
    app = opened(page)
    assert app.title[0].value
    assert not app.exception
    assert not [each.value for each in app.error]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_to_do_when_there_is_no_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str) -> None:
    monkeypatch.setenv("TIEOUT_OUT", str(tmp_path / "none"))
    app = opened(page)
    assert not app.exception
    assert "There is no run yet" in texts(app)
    assert "tieout run" in texts(app)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("page", PAGES)
def test_damaged_results_are_told_without_a_trace(workspace: Workspace, page: str) -> None:
    for path in workspace.out.rglob("*.parquet"):
        path.write_bytes(b"PAR1 broken")
    app = opened(page)
    assert not app.exception
    assert "Traceback" not in texts(app)


def test_a_broken_store_is_told_with_a_remedy(workspace: Workspace) -> None:
    for path in workspace.out.glob("tieout.db*"):
        path.write_bytes(b"this is no database, whatever its name says" * 30)
    app = opened("exceptions")
    assert not app.exception
    assert "cannot be used" in texts(app)


def test_an_address_opens_the_tab_it_was_taken_from(workspace: Workspace) -> None:
    app = opened("runs")
    assert "tab" not in app.query_params
    app.session_state["runs:tab"] = "Files read"
    app.run()
    assert "Files read" in app.query_params["tab"]
    again = opened("runs", tab="Files read")
    assert again.dataframe[0].value.equals(app.dataframe[0].value)
    assert "every row is used" in texts(again)
    again.session_state["runs:tab"] = "Nights"
    again.run()
    assert "tab" not in again.query_params
    assert not opened("runs", tab="nothing").error


@pytest.mark.parametrize("page", ["record", "policies"])
def test_what_an_address_names_is_shown_as_text_and_never_as_a_link(workspace: Workspace, page: str) -> None:
    named = "[sign in again](https://elsewhere.example)"
    told = texts(opened(page, record=named))
    assert named not in told
    assert plain(named) in told


@pytest.mark.parametrize("name", ["f.sla", "f.age", "f.symptoms", "f.amount"])
def test_an_address_that_filters_what_no_filter_offers_opens_as_usual(workspace: Workspace, name: str) -> None:
    app = opened("exceptions", **{name: "late"})
    assert not list(app.error)
    assert app.dataframe[0].value.equals(opened("exceptions").dataframe[0].value)


def test_a_record_that_was_found_by_a_part_of_its_name_is_opened_by_a_press(workspace: Workspace) -> None:
    app = opened("record")
    app.text_input(key="record:id").set_value("C").run()
    found = [each for each in app.button if str(each.key).startswith("record:found:")]
    assert found
    chosen = str(found[0].key).rsplit(":", 1)[1]
    found[0].click().run()
    assert app.text_input(key="record:id").value == chosen
    assert app.query_params["record"] == chosen
    assert "**Agreed record**" in texts(app)


def test_an_address_opens_an_exception(workspace: Workspace) -> None:
    from adapters.store.tables import Case

    store = workspace.open_store()
    with store.read() as session:
        case = session.query(Case).filter(Case.kind == "unauthorized_change").one()
    app = opened("exceptions", record=case.case_id)
    assert plain(case.message) in texts(app)
    assert "CRM owns the signed value" in texts(app)


def test_a_comment_is_written_through_the_page(workspace: Workspace) -> None:
    from adapters.store.case_work import history
    from adapters.store.tables import Case

    store = workspace.open_store()
    with store.read() as session:
        case = session.query(Case).filter(Case.kind == "unauthorized_change").one()
    app = opened("exceptions", record=case.case_id)
    app.text_area[0].set_value("asked sales")
    next(each for each in app.button if each.label == "Note it").click()
    app.run()
    assert not [each.value for each in app.error]
    with store.read() as session:
        assert [each.comment for each in history(session, case)][-1] == "asked sales"


def test_a_search_stands_in_the_address(workspace: Workspace) -> None:
    app = opened("exceptions")
    app.text_input(key=":search").set_value("changed it").run()
    assert app.query_params["q"] == "changed it"
    assert not app.exception


def test_a_kept_view_shows_what_it_asks(workspace: Workspace) -> None:
    from adapters.store.views import save_view
    from dashboard.views.access import who

    with workspace.open_store().write() as session:
        view = save_view(session, who(workspace.policies, None).actor(), "exceptions", "changes", {"q": ["changed it"]})
    app = opened("exceptions")
    app.selectbox(key="views:exceptions").select(view.view_id).run()
    assert "changed it" in app.query_params["q"]
    assert app.text_input(key=":search:1").value == "changed it"
    assert not app.exception


def test_the_latest_night_is_shown_unless_the_address_names_another(workspace: Workspace) -> None:
    latest, earlier = (each.run_id for each in find_runs(workspace))
    assert opened().selectbox(key="run").value == latest
    assert opened(run=earlier[:8]).selectbox(key="run").value == earlier


def test_no_page_can_be_served_past_the_entry() -> None:
    assert not (ROOT / "dashboard" / "pages").exists()
    served = (ROOT / "dashboard" / "app.py").read_text(encoding="utf-8")
    assert not [page for page in PAGES if f'("{page}", ' not in served]


@pytest.mark.parametrize(("page", "tab", "says"), [
    ("policies", "Propose", "No version was approved yet"), ("policies", "To approve", "No proposal waits"),
    ("policies", "Log", "Nothing was proposed yet"), ("runs", "Compare two", "changed."),
])  # fmt: skip
def test_what_stands_in_a_tab_is_shown_when_it_is_opened(workspace: Workspace, page: str, tab: str, says: str) -> None:
    app = opened(page)
    assert says not in texts(app)
    app.session_state[f"{page}:tab"] = tab
    app.run()
    assert not app.exception
    assert not [each.value for each in app.error]
    assert says in texts(app)


def test_what_was_searched_is_there_again_after_another_page(workspace: Workspace) -> None:
    app = opened("exceptions")
    app.text_input(key=":search").set_value("changed it").run()
    app.switch_page("screens/runs.py")
    app.query_params.clear()
    app.run()
    app.switch_page("screens/exceptions.py")
    app.run()
    assert "changed it" in app.query_params["q"]
    assert app.text_input(key=":search").value == "changed it"
    # A link that names something is followed, and nothing is added to it.
    app.switch_page("screens/runs.py")
    app.run()
    app.switch_page("screens/exceptions.py")
    app.query_params.clear()
    app.query_params["record"] = "nothing"
    app.run()
    assert "q" not in app.query_params


def _choosing() -> None:
    import streamlit as st

    from dashboard.components.browse import _chosen_last

    turn = st.session_state.get("~turn", 0)
    picked = st.session_state.get("marked", []) if turn == 0 else []
    st.text(_chosen_last("", f"table:{turn}", picked))


def test_a_link_that_is_followed_wins_over_the_row_that_is_still_marked() -> None:
    app = AppTest.from_function(_choosing)
    app.session_state["marked"] = ["A"]
    app.run()
    assert (app.text[0].value, "A" in app.query_params["record"]) == ("A", True)
    app.run()
    assert app.text[0].value == "A"
    app.query_params["record"] = "B"
    app.run()
    assert (app.text[0].value, "B" in app.query_params["record"]) == ("B", True)
