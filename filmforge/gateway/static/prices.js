// What a decision will cost, asked of the server a moment before it is shown.

import { here } from "./film.js";

const MOST_IDS = 100;
const MICROS = 1_000_000;

/** Prices by shot, and what approving all of them costs; throws where the server has none. */
export async function prices(shotIds) {
  const shots = {};
  let micros = 0;
  for (let start = 0; start < shotIds.length; start += MOST_IDS) {
    const some = shotIds.slice(start, start + MOST_IDS);
    const asked = new URLSearchParams(some.map((id) => ["shot_id", id]));
    const answer = await fetch(`${here}/prices?${asked}`, { headers: { Accept: "application/json" } });
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.detail || `The server answered ${answer.status}.`);
    Object.assign(shots, told.shots);
    micros += Math.round(Number(told.total_approve_usd) * MICROS);
  }
  return { shots, total: usd(micros) };
}

/** An amount of micro-dollars as it is written everywhere: two to six decimal places. */
export function usd(micros) {
  const [whole, part] = (micros / MICROS).toFixed(6).split(".");
  return `${whole}.${part.replace(/0+$/, "").padEnd(2, "0")}`;
}

/** What approving these costs, in words; says so where it can't be told. */
export async function approvalWords(shotIds) {
  try {
    const { total } = await prices(shotIds);
    return Number(total) ? `costs up to ${total} USD` : "costs nothing more";
  } catch (error) {
    return `what it costs can't be told: ${error.message}`;
  }
}
