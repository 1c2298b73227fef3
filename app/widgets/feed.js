// One part of the tree's data: its name and stamp in a line, then its text. It is sent when it changes, and not with every click.
export default function ({ data }) {
  const end = data.indexOf(10), words = new TextDecoder(), [name, stamp] = words.decode(data.subarray(0, end)).split(" ");
  if (window.mdFeed?.[name]?.stamp === stamp) return;
  (window.mdFeed ??= {})[name] = { stamp, body: words.decode(data.subarray(end + 1)) };
  window.dispatchEvent(new Event("md-feed"));
}
