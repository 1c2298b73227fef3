// The tree's widget. Its data come in parts (feed.js), each only when it changes; the axes are plotly's, from the bundle that the app serves itself.
const SLOTS = { block: "#5b6b7b", mixer: "#0072B2", channel: "#009E73", norm: "#999999", position: "#CC79A7", gate: "#E69F00", conv: "#D55E00" };
const HURRIED = 250;    // ms

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function grow(host) {
  const get = (name) => host.querySelector(`.md-${name}`);
  const g = { m: model(), host, stage: get("stage"), axes: get("axes"), map: get("map"), find: get("find"), helpBox: get("keys"), range: get("range"), send: () => {},
    hand: { mode: "pan", path: [], over: -1, down: null }, box: { l: 0, t: 0, w: 1, h: 1 } };
  const base = get("base"), top = get("top"), tip = get("tip"), legend = get("legend"), when = get("when"), count = get("count"), m = g.m;
  let frame = 0, ink = {}, asked = 0, told = -HURRIED;

  const measure = () => {
    const r = g.stage.getBoundingClientRect(), style = getComputedStyle(host), dpr = window.devicePixelRatio || 1;
    const left = m.ticks.length ? (r.width < 500 ? 52 : 72) : 12;
    g.box = { width: r.width, height: r.height, l: left, t: 12, w: Math.max(10, r.width - left - 16), h: Math.max(10, r.height - 28) };
    ink = { text: style.color, font: style.fontFamily, paper: style.getPropertyValue("--st-background-color") || "#fff" };
    for (const canvas of [base, top]) {
      canvas.width = r.width * dpr; canvas.height = r.height * dpr;
      canvas.getContext("2d").setTransform(dpr, 0, 0, dpr, 0, 0);
    }
  };
  const whole = () => m.n && m.standing && m.paint && m.view && m.x.length;
  g.drawTop = () => m.n && paintTop(m, top.getContext("2d"), g.box, ink, g.hand);
  g.draw = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (!whole()) return;
      paintBase(m, base.getContext("2d"), g.box, ink);
      g.drawTop();
      paintMap(m, g.map);
      axes();
      host.dataset.drawn = String(m.n);
    });
  };
  g.look = () => { see(m); lineage(m); tally(); g.draw(); };
  g.tell = () => {
    m.seq++;
    clearTimeout(asked);
    const now = performance.now(), alone = now - told > HURRIED, send = () => g.send({ seq: m.seq, selected: m.ids[m.selected] ?? "", chosen: [...m.chosen].map((i) => m.ids[i]) });
    told = now;
    if (alone) send(); else asked = setTimeout(send, 90);      // one click is told before it is painted, which takes 0.1 s of a large tree; of keys held down, where they end
  };
  g.open = (i) => { if (i >= 0) { clearTimeout(asked); g.send({ seq: ++m.seq, selected: m.ids[i], chosen: [...m.chosen].map((k) => m.ids[k]), open: true }); } };

  // Axes: plotly holds every node as data, so that what is drawn can be read off the figure; the points themselves are on the canvas.
  // Of a large tree they follow when the hand rests: plotly walks through all nodes for a new range.
  let busy = false, again = false, shown = null, resting = 0;
  const axes = () => {
    if (!window.Plotly || !g.axes._fullLayout || m.view === shown) return;
    clearTimeout(resting);
    if (m.n > 2500) resting = setTimeout(follow, 120); else follow();
  };
  const follow = () => {
    if (busy) { again = true; return; }
    busy = true;
    const v = (shown = m.view);
    window.Plotly.relayout(g.axes, { "xaxis.range": [v.x0, v.x1], "yaxis.range": [v.y0, v.y1] }).then(() => { busy = false; if (again) { again = false; axes(); } });
  };
  g.figure = async () => {
    const Plotly = await plotly();
    if (!whole()) return;
    const traces = figureOf(m), v = m.view, b = g.box;
    await Plotly.react(g.axes, traces, {
      width: b.width, height: b.height, margin: { l: b.l, t: b.t, r: b.width - b.l - b.w, b: b.height - b.t - b.h }, showlegend: false, hovermode: false,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink.text, family: ink.font, size: 11 },
      xaxis: { visible: false, range: [v.x0, v.x1] },
      yaxis: { range: [v.y0, v.y1], zeroline: false, gridcolor: "rgba(128,140,155,0.16)", tickvals: m.ticks.map((t) => t[0]), ticktext: m.ticks.map((t) => t[1]), fixedrange: true },
    }, { staticPlot: true, responsive: false });
    axes();
  };

  const tally = () => {
    let shown = 0;
    for (let i = 0; i < m.n; i++) if (m.seen[i] === 2) shown++;
    count.textContent = shown === m.n ? `${m.n.toLocaleString("en")} designs` : `${shown.toLocaleString("en")} of ${m.n.toLocaleString("en")} designs`;
    host.querySelector('[data-does="ghosts"]').setAttribute("aria-pressed", String(m.ghosts));
  };
  let quiet = 0;
  g.say = (words) => { clearTimeout(quiet); count.textContent = words; quiet = setTimeout(tally, 5000); };
  g.press = (what) => ({
    fit: () => fit(g), in: () => zoom(g, 1.4, g.box.l + g.box.w / 2, g.box.t + g.box.h / 2), out: () => zoom(g, 1 / 1.4, g.box.l + g.box.w / 2, g.box.t + g.box.h / 2),
    ghosts: () => { m.ghosts = !m.ghosts; g.look(); }, fold: () => fold(g, m.selected), help: () => { g.helpBox.hidden = !g.helpBox.hidden; },
    unfold: () => { m.collapsed.clear(); g.look(); },
    pan: () => mode("pan"), box: () => mode("box"), lasso: () => mode("lasso"), play: () => play(),
  })[what]();
  const mode = (name) => {
    g.hand.mode = name;
    for (const other of ["pan", "box", "lasso"]) host.querySelector(`[data-does="${other}"]`).setAttribute("aria-pressed", String(other === name));
    g.stage.style.cursor = name === "pan" ? "grab" : "crosshair";
  };

  // The tree as it grew.
  let playing = 0;
  const moment = (k) => {
    m.upTo = k >= m.n ? Infinity : k;
    g.range.value = String(Math.min(k, m.n));
    when.textContent = k >= m.n ? "now" : `${k} designs, ${new Date(m.born[Math.max(0, k - 1)] * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })} · status of now`;
    g.look();
  };
  const stop = () => { cancelAnimationFrame(playing); playing = 0; host.querySelector('[data-does="play"]').textContent = "▶"; };
  const play = () => {
    if (playing) return stop();
    const first = m.upTo === Infinity ? 1 : m.upTo, started = performance.now(), lasts = Math.min(12000, 2500 + 10 * m.n) * ((m.n - first) / m.n);
    host.querySelector('[data-does="play"]').textContent = "⏸";
    const step = (now) => {
      const share = lasts ? Math.min(1, (now - started) / lasts) : 1;
      moment(Math.round(first + share * (m.n - first)));
      if (share < 1) playing = requestAnimationFrame(step); else stop();
    };
    playing = requestAnimationFrame(step);
  };
  g.range.addEventListener("input", () => { if (playing) stop(); moment(Number(g.range.value)); });
  for (const button of host.querySelectorAll("button[data-does]")) button.addEventListener("click", () => { g.press(button.dataset.does); g.stage.focus({ preventScroll: true }); });
  const seek = () => { g.learn(); search(m, g.find.value); };
  let typing = 0;
  g.find.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { seek(); g.look(); }, 60); });
  g.find.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Escape") { g.find.value = ""; search(m, ""); g.look(); g.stage.focus(); }
    if (e.key === "Enter" && m.found?.size) { const first = [...m.found].find((i) => m.seen[i] === 2); fit(g, (i) => m.found.has(i)); if (first !== undefined) pick(g, first, false); g.stage.focus(); }
  });

  g.tip = (i, at) => {
    tip.hidden = i < 0;
    if (i < 0) return;
    g.learn();
    tip.replaceChildren(...tipOf(m, i));
    const r = g.stage.getBoundingClientRect(), w = tip.offsetWidth, h = tip.offsetHeight;
    tip.style.left = `${Math.max(4, at[0] + 18 + w > r.width ? at[0] - w - 14 : at[0] + 18)}px`;
    tip.style.top = `${Math.max(4, Math.min(at[1] - 10, r.height - h - 4))}px`;
  };
  for (const [key, does] of KEYS) { const row = element("div"); row.append(element("kbd", "", key), element("span", "", does)); g.helpBox.append(row); }

  // What Python sent, as far as it is new.
  const fresh = (name) => {
    const part = window.mdFeed?.[name];
    return part && m.stamp[name] !== part.stamp && ((m.stamp[name] = part.stamp), JSON.parse(part.body));
  };
  const fitting = (name, column) => {      // of as many designs as there are; else it is looked at again when more has come
    const part = fresh(name);
    if (!part || part[column].length === m.n) return part;
    m.stamp[name] = "";
    return null;
  };
  g.learn = () => { m.hover = fresh("hover") || m.hover; };      // the largest part is read when somebody points at a design, or searches
  g.feed = () => {
    const structure = fresh("structure");
    if (structure) { m.stamp.standing = m.stamp.places = m.stamp.paint = ""; takeStructure(m, structure); m.hover = null; m.stamp.hover = ""; g.range.max = String(m.n); if (m.upTo === Infinity) moment(m.n); }
    if (!m.n) return;
    const standing = fitting("standing", "status"), places = fitting("places", "x"), paint = fitting("paint", "values");
    if (standing) Object.assign(m, standing, { standing });
    if (places) { const old = m.layers; takePlaces(m, places); m.layer = places.layer; m.view = m.view && old === m.layers && !structure ? m.view : { ...m.home }; measure(); }
    if (paint) { m.paint = paint; bins(m); }
    if (m.paint && (standing || paint)) legend.replaceChildren(...legendOf(m));
    if (g.find.value) seek();
    if (structure || standing || places || paint || m.found) g.look();
    if (structure || places || paint) g.figure();
  };
  let obeyed = "";
  g.obey = (state) => {
    const wanted = JSON.stringify(state.fits), fresh = wanted !== obeyed;
    obeyed = wanted;
    m.fits = state.fits ? new Set(state.fits) : null;
    const same = state.selected === (m.ids[m.selected] ?? "") && state.chosen.length === m.chosen.size && state.chosen.every((id) => m.chosen.has(m.index.get(id)));
    if (state.seq >= m.seq) {
      const known = (id) => m.index.get(id) ?? -1, before = m.selected;
      m.selected = known(state.selected);
      m.chosen = new Set(state.chosen.map(known).filter((i) => i >= 0));
      m.seq = state.seq;
      if (m.selected >= 0 && m.selected !== before && m.view) show(g, m.selected);
    }
    if (m.n && (fresh || !same)) g.look();      // an echo of what the hand did is in sight already
  };
  const anew = () => { measure(); g.draw(); g.figure(); };
  const watch = new ResizeObserver(anew);
  watch.observe(g.stage);
  const themed = (event) => { if (event.target === host && event.propertyName === "color") anew(); };
  host.addEventListener("transitionend", themed);
  const deaf = listen(g), fed = () => g.feed();
  window.addEventListener("md-feed", fed);
  g.end = () => { stop(); watch.disconnect(); host.removeEventListener("transitionend", themed); deaf(); window.removeEventListener("md-feed", fed); };
  mode("pan");
  return g;
}

// One trace a colour, so that figure and legend say the same.
function figureOf(m) {
  const p = m.paint, groups = new Map();
  for (let i = 0; i < m.n; i++) {
    const name = p.colours ? p.names[p.values[i]] : p.values[i] === null ? p.unknown : p.title;
    (groups.get(name) ?? groups.set(name, []).get(name)).push(i);
  }
  return [...groups].map(([name, members]) => ({
    type: "scatter", mode: "none", hoverinfo: "skip", name, x: members.map((i) => m.x[i]), y: members.map((i) => m.y[i]), customdata: members.map((i) => [m.ids[i]]),
    marker: { color: p.colours ? p.colours[p.values[members[0]]] : members.map((i) => p.values[i]) },
  }));
}

function tipOf(m, i) {
  const made = [element("b", "", m.titles[i]), element("div", "md-small", `${m.ids[i]} · ${m.kinds[m.kind[i]]} · ${m.statuses[m.status[i]]}${m.ghost[i] & MARKS.superseded ? ", passed over" : ""}${m.ghost[i] & MARKS.pruned ? ", pruned" : ""} · ${m.authors[m.author[i]]}`)];
  for (const [scale, scores] of Object.entries(m.scores)) if (scores[i] !== undefined && scores[i] !== null) made.push(element("div", "", `${scale}: ${scores[i].toFixed(4)} bits/byte`));
  if (m.notes[i]) made.push(element("div", "md-small", `⚠ ${m.notes[i]}`));
  if (m.ratings[i] !== null) made.push(element("div", "", `rated ${m.ratings[i].toFixed(1)} of 5`));
  const value = m.paint.values[i];
  if (!m.paint.colours && value !== null && !m.paint.title.startsWith("bits")) made.push(element("div", "", `${m.paint.title}: ${Number(value.toPrecision(3)).toLocaleString("en")}`));
  const wish = m.signs.find(([k]) => k === i);
  if (wish) made.push(element("div", "", `Wishes: ${inWords(wish)}`));
  if (m.tags[i]?.length) made.push(element("div", "", m.tags[i].map((t) => `#${t}`).join(" ")));
  if (m.hover?.summaries[i]) made.push(element("div", "md-small", m.hover.summaries[i]));
  const units = m.hover?.of[i];
  if (units) {
    const box = element("div", "md-units");
    for (let k = 0; k < Math.min(units.length, 54); k += 3) {
      const row = element("div", "", m.hover.units[units[k + 2]]), slot = m.hover.slots[units[k + 1]];
      row.style.marginLeft = `${units[k] * 12}px`;
      row.style.borderColor = Object.entries(SLOTS).find(([kind]) => slot.includes(kind))?.[1] ?? SLOTS.block;
      row.prepend(element("i", "", slot));
      box.append(row);
    }
    if (units.length > 54) box.append(element("div", "", `and ${units.length / 3 - 18} more`));
    made.push(box);
  }
  return made;
}

function legendOf(m) {
  const p = m.paint, made = [];
  const chip = (colour, text, name = "") => { const c = element("span", "md-chip"), dot = element("i", name); if (colour) dot.style.background = colour; c.append(dot, element("span", "", text)); return c; };
  if (p.colours) p.names.forEach((name, k) => made.push(chip(p.colours[k], name)));
  else {
    const bar = element("span", "md-chip"), ramp = element("i", "md-ramp");
    ramp.style.background = `linear-gradient(90deg, ${VIRIDIS.map((c) => `rgb(${c.join(",")})`).join(",")})`;
    bar.append(element("span", "", `${p.title} ${p.words[0]}`), ramp, element("span", "", p.words[1]));
    made.push(bar, chip(UNKNOWN, p.unknown));
  }
  made.push(element("span", "md-sep"), ...[["■", "reference"], ["●", "by an agent"], ["◆", "by hand"], ["◌", "ghost: refused, failed, passed over or pruned"]].map(([sign, text]) => element("span", "md-chip", `${sign} ${text}`)));
  made.push(element("span", "md-chip", "larger: measured at a larger scale"), element("span", "md-chip", "dotted: crossover"));
  made.push(...signLegend(m));
  const lines = element("span", "md-chip");
  lines.append(element("i", "md-up"), element("span", "", "ancestors"), element("i", "md-down"), element("span", "", "descendants"));
  made.push(lines);
  return made;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".md-tree"), g = (host.grown ??= grow(host));
  g.send = (what) => setTriggerValue("did", what);
  g.feed();
  g.obey(data);
  return () => { g.end(); host.grown = undefined; };
}
