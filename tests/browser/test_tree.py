"""The tree in a real browser: everything that the hand does answers on the screen at once, and the page beside it follows."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from app.widgets.tree_graph import layout
from core.build import BuildSystem
from core.config import Config
from core.types import CheckReport, Kind, Mode

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

# What the graph holds: read off the widget itself.
HELD = """() => { const m = document.querySelector('.md-tree').grown.m, ids = (set) => [...set].map((i) => m.ids[i]).sort();
  return {selected: m.ids[m.selected] ?? '', chosen: ids(m.chosen), seen: m.ids.filter((_, i) => m.seen[i] === 2), lineage: m.near ? m.ids.filter((_, i) => m.near[i]) : [],
          view: m.view, home: m.home, upTo: m.upTo, ids: m.ids}; }"""


@pytest.fixture(scope="module")
def grown(app):
    """Beside the references a session's three proposals: one was implemented, the others were passed over when it closed."""
    desk = BuildSystem(Config.from_env(app.env)).open()
    session = desk.start_session(["gpt2"], enqueue=False, n_proposals=3)
    made, units = [f"{session.id}-{k}" for k in (1, 2, 3)], desk.store.proposals.newest("gpt2").units
    for k, design in enumerate(made):
        desk.store.designs.add(design, design, Kind.AGENT, Mode.MUTATION, ["gpt2"], "genetic_designer", session.id, k, "a summary")
        desk.store.proposals.add(design, "genetic_designer", False, f"variant {k}", "body", units)
    code = desk.store.implementations.add(made[0], "compose_coder", "# code", units)
    desk.store.checks.add(code.id, CheckReport(True, "nano", (), None))
    desk.store.sessions.close(session.id)
    desk.store.close()
    return app, made


@pytest.fixture
def tree(grown, page: Page):
    app, _ = grown
    page.goto(f"{app.url}/?design=llama")
    page.locator(".md-tree[data-drawn]").wait_for()
    expect(page.get_by_role("heading", name="Llama")).to_be_visible()
    page.wait_for_timeout(600)
    return page


def held(page: Page) -> dict:
    return page.evaluate(HELD)


def stage(page: Page) -> dict:
    return page.locator(".md-stage").bounding_box()


def test_a_click_shows_a_design_and_its_lineage_at_once(tree: Page, grown, click_node):
    _, made = grown
    click_node(tree, "gpt2")
    assert held(tree)["selected"] == "gpt2"                      # before the server has answered
    assert set(held(tree)["lineage"]) >= {"gpt2", *made}
    expect(tree.get_by_role("heading", name="GPT-2")).to_be_visible()
    expect(tree).to_have_url(re.compile("design=gpt2"))


def test_ctrl_and_shift_choose_several_and_all_are_acted_on_together(tree: Page, grown, click_node):
    app, _ = grown
    click_node(tree, "gla", "Control")
    click_node(tree, "retnet", "Shift")
    expect(tree.get_by_text("Chosen: gla, retnet")).to_be_visible()
    tree.get_by_role("button", name="Tag", exact=False).first.click()
    tree.get_by_label("Word").fill("a pair")
    tree.get_by_label("Word").press("Enter")
    tree.get_by_role("button", name="Tag 2").click()
    expect(tree.get_by_text("2 tagged a pair")).to_be_visible()
    assert {d["id"] for d in app.designs() if "a pair" in d["tags"]} == {"gla", "retnet"}
    assert held(tree)["chosen"] == ["gla", "retnet"]             # the tree was redrawn, and nothing was let go


def choose_all(tree: Page) -> None:
    """A box round everything."""
    box = stage(tree)
    tree.keyboard.down("Shift")
    tree.mouse.move(box["x"] + 2, box["y"] + 2)
    tree.mouse.down()
    tree.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4, steps=4)
    tree.mouse.up()
    tree.keyboard.up("Shift")


def test_a_box_and_a_lasso_choose_what_lies_inside(tree: Page):
    choose_all(tree)
    assert held(tree)["chosen"] == sorted(held(tree)["seen"])
    expect(tree.get_by_text("Chosen:")).to_be_visible()
    tree.get_by_role("button", name="Choose with a lasso").click()
    x, y = tree.evaluate("""(id) => { const m = document.querySelector('.md-tree').grown.m, i = m.index.get(id), box = document.querySelector('.md-stage').getBoundingClientRect();
      return [box.left + m.X[i], box.top + m.Y[i]]; }""", "gpt2")
    tree.mouse.move(x - 14, y - 14)
    tree.mouse.down()
    for dx, dy in ((14, -14), (14, 14), (-14, 14), (-14, -14)):
        tree.mouse.move(x + dx, y + dy, steps=3)
    tree.mouse.up()
    assert held(tree)["chosen"] == ["gpt2"]
    expect(tree.get_by_text("Chosen: gpt2")).to_be_visible()


def test_all_that_is_chosen_can_be_listed_and_taken_out_one_by_one(tree: Page):
    choose_all(tree)
    everything = held(tree)["chosen"]
    expect(tree.get_by_text(f"and {len(everything) - 6} more")).to_be_visible()
    tree.get_by_role("button", name="See all").click()
    for left in (len(everything) - 1, len(everything) - 2):                  # the list stays open
        tree.get_by_role("button", name="Take out").last.click()
        expect(tree.get_by_role("button", name="Take out")).to_have_count(left)
        expect(tree.get_by_text(f"and {left - 6} more")).to_be_visible()
        assert len(held(tree)["chosen"]) == left                             # on the graph, too
    link = tree.get_by_test_id("stPopoverBody").get_by_role("link").first
    name = link.inner_text().split(" · ")[0]
    link.click()
    expect(tree).to_have_url(re.compile(f"/design\\?design={re.escape(name)}"))


def test_the_keys_walk_choose_zoom_fit_and_let_go(tree: Page, grown, click_node):
    _, made = grown
    click_node(tree, "gpt2")
    tree.keyboard.press("ArrowDown")
    child = held(tree)["selected"]
    assert child in made
    tree.keyboard.press("ArrowRight")
    tree.keyboard.press("ArrowLeft")
    assert held(tree)["selected"] in made
    tree.keyboard.press("ArrowUp")
    assert held(tree)["selected"] == "gpt2"
    tree.keyboard.press(" ")
    assert held(tree)["chosen"] == ["gpt2"]
    tree.keyboard.press("+")
    assert held(tree)["view"]["x1"] - held(tree)["view"]["x0"] < held(tree)["home"]["x1"] - held(tree)["home"]["x0"]
    expect(tree.locator(".md-map")).to_be_visible()
    tree.keyboard.press("f")
    assert held(tree)["view"] == held(tree)["home"]
    tree.keyboard.press("?")
    expect(tree.get_by_text("fold or unfold what descends from it")).to_be_visible()
    tree.keyboard.press("Escape")
    assert (held(tree)["selected"], held(tree)["chosen"]) == ("", [])
    tree.keyboard.press("/")
    tree.keyboard.type("rwkv")
    tree.wait_for_timeout(200)
    assert set(held(tree)["seen"]) == {i for i in held(tree)["ids"] if "rwkv" in i}
    tree.keyboard.press("Enter")
    assert "rwkv" in held(tree)["selected"]
    tree.keyboard.press("Enter")
    expect(tree).to_have_url(re.compile("/design"))


def test_folding_hides_what_descends_and_the_replay_shows_the_tree_as_it_was(tree: Page, grown, click_node):
    _, made = grown
    click_node(tree, "gpt2")
    tree.keyboard.press("z")
    assert not set(made) & set(held(tree)["seen"])
    tree.keyboard.press("z")
    assert set(made) <= set(held(tree)["seen"])
    tree.evaluate("() => { const r = document.querySelector('.md-range'); r.value = 5; r.dispatchEvent(new Event('input')); }")
    assert len(held(tree)["seen"]) == 5
    expect(tree.get_by_text("5 designs,")).to_be_visible()
    tree.get_by_role("button", name="Replay how the tree grew").click()
    expect(tree.locator(".md-when")).to_have_text("now", timeout=15_000)
    assert len(held(tree)["seen"]) == len(held(tree)["ids"])


def test_ghosts_can_be_hidden_and_the_hover_shows_units(tree: Page):
    before = set(held(tree)["seen"])
    tree.get_by_role("button", name="Show or hide refused").click()
    assert len(before - set(held(tree)["seen"])) == 2            # of three proposals one was implemented, two were passed over
    x, y = tree.evaluate("""() => { const m = document.querySelector('.md-tree').grown.m, i = m.index.get('gla'), box = document.querySelector('.md-stage').getBoundingClientRect();
      return [box.left + m.X[i], box.top + m.Y[i]]; }""")
    tree.mouse.move(x, y)
    expect(tree.locator(".md-tip")).to_contain_text("Gated linear attention")
    expect(tree.locator(".md-tip .md-units")).to_contain_text("swiglu")


# Where the signs of wishes stand, and how far each node's rings reach, in pixels of the stage.
SIGNS = """() => { const {m, box} = document.querySelector('.md-tree').grown, s = box.w / (m.view.x1 - m.view.x0), t = box.h / (m.view.y1 - m.view.y0);
  const r = (i) => Math.max(1.6, Math.min(9, 0.36 * m.gap.x * s, 0.36 * m.gap.y * t)) * (1 + 0.2 * Math.min(4, m.reach[i]));
  const ring = (i) => r(i) * 1.15 + (i === m.selected ? (m.chosen.has(i) ? 7.5 : 4) : m.chosen.has(i) ? 4.5 : 0);
  return {signs: m.placed.map((p) => ({id: m.ids[p.i], box: p.box, factor: p.parts.some(([, text]) => text)})), width: box.width, height: box.height,
          rings: m.ids.map((id, i) => ({x: m.X[i], y: m.Y[i], r: ring(i)}))}; }"""


@pytest.fixture
def wished(grown):
    """Eight neighbours at the right edge, each pinned, boosted and pruned; all of it is taken back afterwards."""
    app, _ = grown
    desk = BuildSystem(Config.from_env(app.env)).open()
    at = layout(desk.store.designs.all())
    designs = sorted((d.id for d in desk.store.designs.all() if d.kind is Kind.REFERENCE), key=lambda i: at[i][0])[-8:]
    for n, design in enumerate(designs):
        desk.pin(design), desk.boost(design, (3, 2.75, 10, 0.25)[n % 4]), desk.prune(design)
    yield designs
    for design in designs:
        desk.pin(design, False), desk.boost(design, 1), desk.prune(design, False)
    desk.store.close()


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)], ids=["screen", "phone"])
def test_signs_of_wishes_lie_on_no_other_sign_on_no_ring_and_within_the_stage(grown, wished, page: Page, size: tuple[int, int]):
    app, _ = grown
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(f"{app.url}/?design={wished[-1]}")
    page.locator(".md-tree[data-drawn]").wait_for()
    page.wait_for_timeout(600)
    for selected, chosen in ((wished[-1], []), (wished[3], wished[3:5]), (wished[0], wished), ("", [])):
        page.evaluate("""([selected, chosen]) => { const g = document.querySelector('.md-tree').grown, m = g.m;
          m.selected = m.index.get(selected) ?? -1; m.chosen = new Set(chosen.map((id) => m.index.get(id))); g.look(); }""", [selected, chosen])
        page.wait_for_timeout(150)
        drawn = page.evaluate(SIGNS)
        boxes = [sign["box"] for sign in drawn["signs"]]
        assert {sign["id"] for sign in drawn["signs"]} == set(wished)
        assert all(min(x0, y0) >= 0 and x1 <= drawn["width"] and y1 <= drawn["height"] for x0, y0, x1, y1 in boxes)
        for n, a in enumerate(boxes):
            assert all(a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1] for b in boxes[n + 1:])
            for ring in drawn["rings"]:
                across, down = (max(a[k] - ring[axis], 0, ring[axis] - a[k + 2]) for k, axis in enumerate("xy"))
                assert across ** 2 + down ** 2 >= ring["r"] ** 2
    assert all(sign["factor"] for sign in drawn["signs"]) == (size[0] > 1000)       # on a phone there is room for the signs alone
    for word in ("pinned", "boosted", "boosted below ×1", "pruned"):
        expect(page.locator(".md-legend .md-sign").get_by_text(word, exact=True)).to_be_visible()


def test_the_hover_tells_the_wishes_in_words(wished, tree: Page):
    x, y = tree.evaluate("""(id) => { const m = document.querySelector('.md-tree').grown.m, i = m.index.get(id), box = document.querySelector('.md-stage').getBoundingClientRect();
      return [box.left + m.X[i], box.top + m.Y[i]]; }""", wished[0])
    tree.mouse.move(x, y)
    expect(tree.locator(".md-tip")).to_contain_text("Wishes: pinned, boosted ×3, pruned")


def test_nothing_is_fetched_from_elsewhere(grown, page: Page):
    app, _ = grown
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{app.url}/?design=gpt2")
    page.locator(".md-tree[data-drawn]").wait_for()
    page.wait_for_timeout(500)
    assert asked
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []
