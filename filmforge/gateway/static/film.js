// What every page of a film shares: who looks, and asking the server as them.

const film = document.getElementById("film");

export const filmId = film.dataset.film;
export const here = `/films/${encodeURIComponent(filmId)}`;

const RIGHTS = ["see", "comment", "decide", "produce", "administer"];

/** Whether whoever looks has a right; the server asks again at every call. */
export function may(right) {
  return RIGHTS.indexOf(film.dataset.may) >= RIGHTS.indexOf(right);
}

/** Post JSON to a page of this film; resolves to its answer, or throws an Error with its words. */
export async function post(path, body, options = {}) {
  const answer = await fetch(here + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-Form-Key": film.dataset.formKey },
    body: JSON.stringify(body),
    ...options,
  });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.detail || `The server answered ${answer.status}.`);
  return told;
}

/** An element with properties and children; text is always text, never markup. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
