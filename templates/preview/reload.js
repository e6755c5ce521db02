"use strict";
(() => {
  const root = document.documentElement, key = "cnnlab-preview";
  let mine = document.currentScript.dataset.page;

  // Where the reader is: the first block in sight, in its section, by its text and by its place among the others.
  const blocksOf = (section) => [...section.querySelectorAll("p, li, dt, h2, h3, h4, h5, figure, table, pre")];
  const placeNow = () => {
    const place = { y: scrollY }, sections = [...document.querySelectorAll("main section[id]")];
    const section = sections.find((one) => one.getBoundingClientRect().bottom > 1);
    if (section && scrollY > 0) {
      const blocks = blocksOf(section), index = blocks.findIndex((one) => one.getBoundingClientRect().bottom > 1);
      const block = blocks[index] ?? section;
      Object.assign(place, { section: section.id, index, text: block.textContent, top: block.getBoundingClientRect().top });
    }
    return place;
  };
  const goTo = (place) => {
    const section = place.section && document.getElementById(place.section);
    if (!section) return scrollTo({ top: place.y, behavior: "instant" });
    const blocks = blocksOf(section), far = (index) => Math.abs(index - place.index);
    const same = blocks.map((_, index) => index).filter((index) => blocks[index].textContent === place.text);
    const index = same.sort((a, b) => far(a) - far(b))[0] ?? Math.min(place.index, blocks.length - 1);
    const block = blocks[index] ?? section;
    scrollBy({ top: block.getBoundingClientRect().top - place.top, behavior: "instant" });
  };

  // Where only sections changed, they alone are replaced.
  const renew = (sections) => {
    const place = placeNow();
    for (const [id, text] of Object.entries(sections)) {
      document.getElementById(id).outerHTML = text;
      document.getElementById(id).dispatchEvent(new Event("cnnlab:renewed", { bubbles: true }));
    }
    goTo(place);
  };

  // After a reload nothing is painted before the place is found, so the browser keeps showing the page before.
  const kept = sessionStorage.getItem(key);
  if (kept) {
    const place = JSON.parse(kept), before = history.scrollRestoration;
    sessionStorage.removeItem(key);
    history.scrollRestoration = "manual";
    root.style.visibility = "hidden";
    document.addEventListener("DOMContentLoaded", () => { goTo(place); root.style.visibility = ""; });
    addEventListener("load", () => document.fonts.ready.then(() => requestAnimationFrame(() => {
      goTo(place);
      history.scrollRestoration = before;
    })));
  }

  // News from the server: another page, or sections of it, or a problem that came or went.
  const stream = new EventSource("/events");
  stream.addEventListener("message", (event) => {
    const news = JSON.parse(event.data);
    if (news.page !== mine && !(news.before === mine && news.sections)) {
      stream.close();
      sessionStorage.setItem(key, JSON.stringify(placeNow()));
      location.reload();
      return;
    }
    if (news.page !== mine) { renew(news.sections); mine = news.page; }
    document.getElementById("cnnlab-problem")?.remove();
    if (news.problem) document.body.insertAdjacentHTML("beforeend", news.problem);
  });
  addEventListener("pagehide", () => stream.close());
})();
