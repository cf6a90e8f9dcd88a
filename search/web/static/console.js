// What the console adds where scripts run: keys, the theme without a reload, the browser's zone.
// Every page does everything without it.
"use strict";
(() => {
  const root = document.documentElement;
  const year = 31536000;
  const keep = (name, value) => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${name}=${value}; Path=/; Max-Age=${year}; SameSite=Lax${secure}`;
  };
  const kept = (name) => document.cookie.split("; ").some((one) => one.startsWith(`${name}=`));

  // The server writes times in the zone of this cookie. A zone that somebody chose stays.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !kept("counterfoil-zone")) {
    keep("counterfoil-zone", zone);
    if (document.querySelector("time")) location.reload();
  }

  const button = document.getElementById("theme");
  const order = { auto: "dark", dark: "light", light: "auto" };
  const label = () => {
    const now = root.dataset.theme;
    const text = `Colours: ${now}. Change to ${order[now]}`;
    button.value = order[now];
    button.title = `${text} (t)`;
    button.querySelector(".sr").textContent = text;
  };
  if (button) {
    button.addEventListener("click", (event) => {
      event.preventDefault();
      root.dataset.theme = order[root.dataset.theme];
      keep("counterfoil-theme", root.dataset.theme);
      label();
    });
  }

  // On a narrow screen the answers come first.
  const facets = document.querySelector("details.facets");
  if (facets && matchMedia("(max-width: 52rem)").matches) facets.open = false;

  // Of a row of links that is wider than the screen, the one of this page is seen.
  for (const here of document.querySelectorAll("header nav [aria-current], .tabs [aria-current]")) {
    here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 48;
  }

  const rows = () => [...document.querySelectorAll("[data-row]")]
    .filter((one) => one.offsetParent !== null);
  const step = (by) => {
    const all = rows();
    if (!all.length) return;
    let at = all.indexOf(document.activeElement);
    if (at < 0) {
      const current = document.querySelector("[aria-current='true'] [data-row]");
      at = current ? all.indexOf(current) : (by > 0 ? -1 : all.length);
    }
    const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
    next.focus({ preventScroll: true });
    (next.closest("li") || next).scrollIntoView({ block: "nearest" });
  };
  const follow = (id) => {
    const found = document.getElementById(id);
    if (found) found.click();
  };
  // Of the row that has the focus; on an item's page of the item.
  const near = (what) => {
    const row = document.activeElement && document.activeElement.closest("li.answer");
    return row ? row.querySelector(what) : document.querySelector(`.item-side ${what}`);
  };
  let before = "";
  const keys = {
    "/": () => { const box = document.getElementById("q"); if (box) { box.focus(); box.select(); } else location.href = "/search"; },
    j: () => step(1),
    k: () => step(-1),
    i: () => { const info = document.activeElement.dataset.info; if (info) location.href = info; },
    n: () => follow("next"),
    p: () => follow("previous"),
    t: () => follow("theme"),
    "?": () => { location.href = "/help#keys"; },
    s: () => { if (before === "g") location.href = "/search"; },
    q: () => { if (before === "g") location.href = "/queue"; },
    c: () => { const claim = near("[data-claim]"); if (claim) claim.click(); },
    x: () => { const box = near(".pick input"); if (box) box.click(); },
    d: () => { const form = document.querySelector("#decide input[type='radio']"); if (form) form.focus(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.target;
    const typing = target instanceof HTMLElement && target.matches("input:not([type='checkbox']):not([type='radio']), textarea, select");
    if (typing) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const act = keys[event.key];
    if (act && document.querySelector("header nav")) {
      event.preventDefault();
      act();
    }
    before = event.key;
  });

  // Every item of this page of the queue.
  const every = document.getElementById("pick-all");
  if (every) {
    every.hidden = false;
    every.addEventListener("click", () => {
      const boxes = [...document.querySelectorAll(".pick input")];
      const all = boxes.every((one) => one.checked);
      boxes.forEach((one) => { one.checked = !all; });
    });
  }

  // The message under review stands in the middle of its conversation.
  const talk = document.querySelector(".talk-box");
  const under = talk && talk.querySelector("[aria-current='true']");
  if (under) talk.scrollTop += under.getBoundingClientRect().top - talk.getBoundingClientRect().top - 48;

  // A form with something in it is not left by accident.
  const changed = () => [...document.querySelectorAll("form[data-confirm] textarea, form[data-confirm] input")]
    .some((one) => one.value !== one.defaultValue);
  let sending = false;
  document.addEventListener("submit", () => { sending = true; });
  window.addEventListener("beforeunload", (event) => {
    if (!sending && changed()) event.preventDefault();
  });
})();
