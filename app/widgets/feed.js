// One part of the tree's data. It is sent when it changes, and not with every click.
export default function ({ data }) {
  (window.mdFeed ??= {})[data.name] = data;
  window.dispatchEvent(new Event("md-feed"));
}
