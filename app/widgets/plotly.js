// Plotly's basic bundle, which the app serves itself: fetched once a page, by whichever widget asks first. A quarter of the whole of plotly.
const SOURCE = "app/static/plotly-basic-4.1.1.min.js";

function plotly() {
  window.mdPlotly ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL(SOURCE, document.baseURI);      // by its address, so that the browser keeps what it compiled
    script.onload = () => done(window.Plotly);
    script.onerror = () => { script.remove(); window.mdPlotly = undefined; failed(new Error(`${SOURCE} could not be fetched`)); };
    document.head.append(script);
  });
  return window.mdPlotly;
}
