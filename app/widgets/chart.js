// A plotly figure in the page's own colours and letters. It is drawn when it comes into sight, or when the browser has nothing else to do: a page never waits for a chart below its fold.
function merged(base, over) {
  const made = { ...base };
  for (const [key, value] of Object.entries(over ?? {})) {
    const both = value && made[key] && typeof value === "object" && typeof made[key] === "object" && !Array.isArray(value);
    made[key] = both ? merged(made[key], value) : value;
  }
  return made;
}

function dressed(host, layout) {
  const style = getComputedStyle(host), ink = style.color;
  const probe = document.createElement("i");
  host.append(probe);
  const solid = (colour) => { probe.style.color = colour; return getComputedStyle(probe).color; };   // plotly reads no color-mix
  const shade = (share) => { const [r, g, b] = [...ink.matchAll(/[\d.]+/g)].map(Number); return `rgba(${r},${g},${b},${share})`; };
  const soft = shade(0.72), line = shade(0.14), paper = solid((style.getPropertyValue("--st-background-color") || "#fff").trim());
  probe.remove();
  const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickcolor: line, tickfont: { color: soft, size: 12 }, title: { font: { color: soft, size: 13 }, standoff: 16 }, automargin: true };
  const dress = {
    font: { family: style.fontFamily, color: ink, size: 12 }, paper_bgcolor: paper, plot_bgcolor: "rgba(0,0,0,0)", autosize: true,
    title: { font: { color: ink, size: 15 } }, legend: { font: { color: ink, size: 12 }, bgcolor: "rgba(0,0,0,0)" },
    hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: ink, family: style.fontFamily, size: 12 } }, margin: { l: 8, r: 8, t: 8, b: 8 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
  };
  const worn = merged(dress, layout);
  for (const name of new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((k) => /^[xy]axis\d*$/.test(k))])) {
    worn[name] = merged(name.startsWith("x") ? { ...axis, showgrid: false, zeroline: false } : axis, layout[name]);
  }
  return worn;
}

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".md-chart");
  host.wanted = data;
  host.setAttribute("role", "figure");
  host.setAttribute("aria-label", data.words);
  host.style.height = `${data.figure.layout.height ?? 340}px`;
  const turn = host.turn = (host.turn ?? 0) + 1;
  host.kept ??= keep(host);
  host.kept.told();
  return () => {
    if (host.turn !== turn) return;      // a later call draws here
    host.kept?.end();
    host.kept = undefined;
  };
}

function keep(host) {
  let asked = false, width = 0;
  const draw = async () => {
    try {
      const Plotly = await plotly(), { figure, config } = host.wanted;
      if (!host.kept) return;      // gone meanwhile
      const { template, height, ...layout } = figure.layout;
      if (host.dataset.drawn === "0") host.textContent = "";
      await Plotly.react(host, figure.data, dressed(host, layout), { displaylogo: false, ...config });
      width = host.clientWidth;
      host.dataset.drawn = "1";
    } catch (error) {
      host.textContent = `This chart could not be drawn (${error.message}). What it shows is stored: reload the page.`;
      host.dataset.drawn = "0";
    }
  };
  const begin = () => {
    if (asked || !host.clientWidth) return;    // in a folded part or a closed tab: it begins when that opens
    asked = true;
    sight.disconnect();
    draw();
  };
  const sight = new IntersectionObserver((seen) => seen.some((s) => s.isIntersecting) && begin());
  const size = new ResizeObserver(() => host.dataset.drawn === "1" && host.clientWidth && host.clientWidth !== width && (width = host.clientWidth, window.Plotly.Plots.resize(host)));
  const later = setTimeout(() => (window.requestIdleCallback ?? setTimeout)(begin), 1500);
  const inked = (event) => event.target === host && event.propertyName === "color" && asked && draw();   // the theme has changed
  host.addEventListener("transitionend", inked);
  sight.observe(host);
  size.observe(host);
  return {
    told: () => asked && draw(),
    end: () => {
      sight.disconnect();
      size.disconnect();
      clearTimeout(later);
      host.removeEventListener("transitionend", inked);
      if (host.dataset.drawn === "1") window.Plotly.purge(host);
      delete host.dataset.drawn;
    },
  };
}
