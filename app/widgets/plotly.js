// Plotly's basic bundle, which the app serves itself: fetched once a page, by whichever widget asks first. A quarter of the whole of plotly.
const SOURCE = "app/static/plotly-basic-4.1.1.min.js";

function plotly() {
  window.mdPlotly ??= fetch(new URL(SOURCE, document.baseURI)).then((answer) => {
    if (!answer.ok) throw new Error(`${SOURCE}: ${answer.status}`);
    return answer.text();
  }).then((code) => {
    const script = document.createElement("script");
    script.text = code;
    document.head.append(script);
    return window.Plotly;
  }).catch((error) => { window.mdPlotly = undefined; throw error; });
  return window.mdPlotly;
}
