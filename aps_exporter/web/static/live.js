// Asks the exporter again and again, as often as it wants, and only while somebody looks.

import { byId, say } from "./dom.js";

const SOON_S = 3;
const PATIENCE_MS = 20000;

// Relative to the page, and without the name and password that may stand in its address:
// fetch() refuses those, and the browser sends them anyway.
export function address(path) {
  const url = new URL(path, document.baseURI);
  url.username = "";
  url.password = "";
  return url.href;
}

export async function ask(path) {
  const answer = await fetch(address(path), { signal: AbortSignal.timeout?.(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`it answered ${answer.status}`);
  return answer.json();
}

// Calls `show` with every answer; it gives the seconds until the next question.
export function watch(path, show) {
  let timer = 0;
  let due = 0;
  let wait = SOON_S;
  let asking = false;
  let heard = new Date();

  async function turn() {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    asking = true;
    let answer = null;
    try {
      answer = await ask(path);
      heard = new Date();
      say(byId("trouble"), "");
    } catch (error) {
      const since = heard.toTimeString().slice(0, 5);
      say(byId("trouble"), `No answer from aps-exporter since ${since}: what you see is from then.`);
      console.info("aps-exporter:", error.message);
    }
    asking = false;
    if (answer) {
      wait = Math.max(show(answer), 1);
      document.documentElement.dataset.current = "yes"; // refresh.js needs not step in
    }
    due = Date.now() + wait * 1000;
    timer = setTimeout(turn, wait * 1000);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && Date.now() >= due) turn();
    else if (!document.hidden) timer = setTimeout(turn, due - Date.now());
    else clearTimeout(timer);
  });
  addEventListener("online", turn);
  return turn();
}

export function soon() {
  return SOON_S;
}
