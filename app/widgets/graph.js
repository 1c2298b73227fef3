// Draws the tree with plotly's basic bundle, and tells Python which design was clicked, and whether it is to be added to those chosen.
const SOURCE = "app/static/plotly-basic-4.1.1.min.js";

function plotly() {
  // Fetched once a page, from the app itself.
  window.mdPlotly ??= fetch(new URL(SOURCE, document.baseURI)).then((answer) => answer.text()).then((code) => {
    const script = document.createElement("script");
    script.text = code;
    document.head.append(script);
    return window.Plotly;
  });
  return window.mdPlotly;
}

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".tree-graph");
  const style = getComputedStyle(host);
  const figure = JSON.parse(data);
  figure.layout.font = { color: style.color, family: style.fontFamily, size: 12 };
  plotly().then(async (Plotly) => {
    await Plotly.react(host, figure.data, figure.layout, { displayModeBar: false, scrollZoom: true, responsive: true });
    host.tell = (design, add) => setTriggerValue("clicked", { design, add });
    if (host.listens) return;
    host.listens = true;
    host.on("plotly_click", (click) => {
      const point = click.points.find((p) => p.customdata);
      if (point) host.tell(point.customdata[0], click.event.shiftKey || click.event.ctrlKey || click.event.metaKey);
    });
  });
}
