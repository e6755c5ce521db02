"use strict";
(() => {
  const $ = (selector, root = document) => [...root.querySelectorAll(selector)];
  document.documentElement.classList.add("js");

  // Contents: open and close the bar, mark the section being read.
  const nav = document.querySelector("nav.contents"), bar = nav.querySelector("button"), here = bar.querySelector(".here");
  const open = (yes) => bar.setAttribute("aria-expanded", yes);
  bar.addEventListener("click", () => open(bar.getAttribute("aria-expanded") !== "true"));
  nav.addEventListener("click", (event) => { if (event.target.closest("a")) open(false); });
  for (const type of ["click", "focusin"]) document.addEventListener(type, (event) => {
    if (!nav.contains(event.target)) open(false);
  });
  let links = [];
  const find = () => {
    links = $("a", nav).map((link) => [link, document.getElementById(link.hash.slice(1))]).filter(([, target]) => target);
  };
  find();
  const title = here.textContent;
  const mark = () => {
    const current = links.filter(([, target]) => target.getBoundingClientRect().top < 120).at(-1);
    for (const [link] of links) link.removeAttribute("aria-current");
    here.textContent = current ? current[0].textContent.trim().replace(/^(\d+)\s+/, "$1 · ") : title;
    if (current) current[0].setAttribute("aria-current", "true");
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(() => { waiting = false; mark(); });
    waiting = true;
  }, { passive: true });
  mark();

  // Numbers: a card with what they came from, on hover, focus or tap.
  const card = document.getElementById("card"), most = 6;
  let shown = null, leaving = 0;
  const answers = (q) => q.dataset.n || q.dataset.ci || q.dataset.how || q.dataset.runs;
  const row = (list, term, content) => {
    if (!content) return;
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = term; dd.append(...[content].flat()); list.append(dt, dd);
  };
  const runs = (ids) => {
    const all = ids ? ids.split(" ") : [];
    const found = all.slice(0, most).map((id) => {
      const target = document.getElementById("record-" + id), link = document.createElement(target ? "a" : "span");
      if (target) link.href = "#record-" + id;
      link.textContent = id;
      return link;
    });
    return all.length > most ? [...found, `+ ${all.length - most}`] : found;
  };
  const show = (q) => {
    clearTimeout(leaving);
    if (shown === q || !answers(q)) return;
    const list = document.createElement("dl"), found = runs(q.dataset.runs);
    row(list, card.dataset.value, q.dataset.is || q.textContent);
    row(list, card.dataset.ci, q.dataset.ci);
    row(list, card.dataset.n, q.dataset.n);
    row(list, card.dataset.how, q.dataset.how);
    if (found.length) row(list, card.dataset.runs, found);
    card.replaceChildren(list);
    card.hidden = false;
    shown?.removeAttribute("aria-describedby");
    q.setAttribute("aria-describedby", "card");
    shown = q;
    const box = q.getBoundingClientRect(), width = card.offsetWidth, height = card.offsetHeight;
    const below = box.bottom + height + 8 < innerHeight;
    card.style.left = Math.max(12, Math.min(box.left, document.documentElement.clientWidth - width - 12)) + scrollX + "px";
    card.style.top = (below ? box.bottom + 4 : box.top - height - 4) + scrollY + "px";
  };
  const hide = () => { shown?.removeAttribute("aria-describedby"); shown = null; card.hidden = true; };
  const leave = () => { clearTimeout(leaving); leaving = setTimeout(hide, 250); };
  for (const type of ["mouseover", "focusin", "click"]) document.addEventListener(type, (event) => {
    const q = event.target.closest?.("data.q");
    if (q) show(q); else if (card.contains(event.target)) clearTimeout(leaving); else if (shown) leave();
  });
  card.addEventListener("click", (event) => { if (event.target.closest("a")) hide(); });

  // Keys: Enter goes from a number into its card, Tab or Escape back to the number.
  document.addEventListener("keydown", (event) => {
    const inside = card.contains(event.target);
    if (event.key === "Escape") {
      if (inside) shown?.focus();
      if (bar.checkVisibility() && nav.contains(event.target)) bar.focus();
      hide(); open(false);
    }
    if (event.key === "Enter" && event.target.matches?.("data.q")) card.querySelector("a")?.focus();
    if (event.key === "Tab" && inside) {
      const stops = $("a", card), next = stops[stops.indexOf(event.target) + (event.shiftKey ? -1 : 1)];
      event.preventDefault();
      (next ?? shown)?.focus();
    }
  });

  // A table, a grid or a list of facts is one stop of the Tab key; arrows go from number to number inside it.
  const beside = (numbers, q, key) => {
    const at = numbers.indexOf(q);
    if (key === "ArrowRight" || key === "ArrowLeft") return numbers[at + (key === "ArrowRight" ? 1 : -1)];
    const box = q.getBoundingClientRect(), down = key === "ArrowDown" ? 1 : -1;
    const far = (one) => {
      const place = one.getBoundingClientRect(), rows = down * (place.top - box.top);
      return rows > box.height / 2 ? 1e4 * rows + Math.abs(place.right - box.right) : Infinity;
    };
    const nearest = numbers.reduce((best, one) => (far(one) < far(best) ? one : best), q);
    return nearest === q ? undefined : nearest;
  };
  const prepareGroup = (group) => {
    const numbers = $("data.q", group).filter(answers);
    numbers.forEach((q, index) => { q.tabIndex = index ? -1 : 0; });
    group.addEventListener("keydown", (event) => {
      if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
      const next = event.target.matches("data.q") && beside(numbers, event.target, event.key);
      if (!next) return;
      event.preventDefault();
      for (const q of numbers) q.tabIndex = q === next ? 0 : -1;
      next.focus();
    });
  };

  // Pictures: open large in a dialog, charts to be looked at more closely there.
  const large = document.getElementById("large"), stage = large.querySelector(".stage"), text = large.querySelector(".text");
  const [less, more] = $(".closer", large);
  let scale = 1;
  const closer = (by) => {
    const chart = stage.querySelector("svg");
    if (!chart) return;
    const old = scale, middle = [(stage.scrollLeft + stage.clientWidth / 2) / old, (stage.scrollTop + stage.clientHeight / 2) / old];
    scale = Math.max(1, Math.min(8, scale * by));
    stage.classList.toggle("near", scale > 1);
    chart.style.width = scale > 1 ? `calc(${scale} * min(100%, 78vh * ${chart.viewBox.baseVal.width / chart.viewBox.baseVal.height}))` : "100%";
    stage.scrollLeft = middle[0] * scale - stage.clientWidth / 2;
    stage.scrollTop = middle[1] * scale - stage.clientHeight / 2;
  };
  less.addEventListener("click", () => closer(1 / 1.6));
  more.addEventListener("click", () => closer(1.6));
  large.addEventListener("keydown", (event) => {
    const by = { "+": 1.6, "=": 1.6, "-": 1 / 1.6, 0: 0 }[event.key];
    if (by === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    closer(by);
  });
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return; // a plain wheel scrolls; pinching a touchpad comes with ctrl
    event.preventDefault();
    closer(event.deltaY < 0 ? 1.25 : .8);
  }, { passive: false });
  let held = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && scale > 1) held = [event.clientX + stage.scrollLeft, event.clientY + stage.scrollTop];
  });
  addEventListener("pointermove", (event) => {
    if (!held) return;
    stage.classList.add("dragged");
    stage.scrollLeft = held[0] - event.clientX;
    stage.scrollTop = held[1] - event.clientY;
  });
  addEventListener("pointerup", () => { held = null; stage.classList.remove("dragged"); });
  const enlarge = (picture, words) => {
    const copy = picture.cloneNode(true);
    copy.removeAttribute("width"); copy.removeAttribute("height");
    stage.replaceChildren(copy);
    for (const button of [less, more]) button.hidden = copy.localName !== "svg";
    text.textContent = words;
    closer(0);
    large.showModal();
  };
  const preparePicture = (picture) => {
    const figure = picture.closest("figure"), caption = figure.querySelector("figcaption"), button = document.createElement("button");
    button.type = "button"; button.className = "enlarge"; button.textContent = "+";
    button.setAttribute("aria-label", picture.dataset.zoom);
    picture.append(button);  // beside the drawing, which stays a picture with its text for who cannot see it
    picture.addEventListener("click", () => {
      button.focus({ preventScroll: true });  // closed, the dialog gives the focus back to it
      enlarge(picture.querySelector("svg"), caption.textContent.trim().replace(/\s+/g, " "));
    });
  };
  const prepareButton = (button) => button.addEventListener("click", () => {
    const said = button.closest(".tile").querySelector(".said");
    enlarge(button.querySelector("img"), said.textContent.trim().replace(/\s+/g, " "));
  });
  const prepare = (root) => {
    for (const group of $("table, .tiles, .record dl", root)) prepareGroup(group);
    for (const picture of $(".picture", root)) preparePicture(picture);
    for (const button of $(".tile .zoom", root)) prepareButton(button);
  };
  prepare(document);
  large.addEventListener("close", () => stage.replaceChildren());  // no name stands twice in the page
  large.querySelector(".close").addEventListener("click", () => large.close());
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });
})();
