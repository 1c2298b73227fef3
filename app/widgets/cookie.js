// Keeps the token of who signed in, or forgets it: data is {name, value, seconds}. Sent back to this site only; over HTTPS never without it.
export default function ({ data }) {
  const { name, value, seconds } = data;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${name}=${value}; Max-Age=${seconds}; Path=/; SameSite=Strict${secure}`;
}
