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
      hide(); open(false); dark();
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

  // Charts: what stands under the pointer, or where the arrow keys have moved to.
  const tip = document.getElementById("tip"), told = document.getElementById("told"), heard = new WeakMap();
  const SVG = "http://www.w3.org/2000/svg";
  let lit = null;
  const panelsOf = (svg) => {
    if (!heard.has(svg)) heard.set(svg, JSON.parse(svg.dataset.hover));
    return heard.get(svg);
  };
  const cellAt = (panel, column, line) => {
    const [usual, ...others] = panel.rows[line], size = (panel.box[2] - panel.box[0]) / panel.names.length;
    let text = usual;
    for (let k = 0; k < others.length; k += 2) if (others[k] === column) text = others[k + 1];
    const words = [[panel.heads[0], panel.names[line]], [panel.heads[1], panel.names[column]]].map((pair) => pair.join(": "));
    return { panel, index: line * panel.names.length + column, text: [panel.texts[text], ...words].join("\n"), square: size,
      marks: [panel.box[0] + (column + .5) * size, panel.box[1] + (line + .5) * size] };
  };
  const entry = (panel, index) => {
    if (panel.by === "cell") return cellAt(panel, index % panel.names.length, Math.floor(index / panel.names.length));
    const [text, ...marks] = panel.at[index];
    return { panel, index, text, marks };
  };
  const nearest = (panel, x, y) => {
    const [left, top, right, bottom] = panel.box;
    if (x < left || x > right || y < top || y > bottom) return null;
    if (panel.by === "cell") {
      const count = panel.names.length, at = (value, low, high) => Math.min(count - 1, Math.floor((value - low) / (high - low) * count));
      return cellAt(panel, at(x, left, right), at(y, top, bottom));
    }
    let best = -1, least = Infinity;
    panel.at.forEach(([, ...marks], index) => {
      for (let k = 0; k < marks.length; k += 2) {
        const across = panel.by === "y" ? 0 : x - marks[k], down = panel.by === "x" ? 0 : y - (marks[k + 1] ?? y);
        if (Math.hypot(across, down) < least) [best, least] = [index, Math.hypot(across, down)];
      }
    });
    return best < 0 || (panel.by === "xy" && least > 40) ? null : entry(panel, best);
  };
  const draw = (kind, places) => {
    const shape = document.createElementNS(SVG, kind);
    for (const name in places) shape.setAttribute(name, places[name]);
    return shape;
  };
  const dark = () => { lit?.shapes.remove(); lit = null; tip.hidden = true; };
  const light = (svg, found) => {
    if (lit?.svg === svg && lit.panel === found.panel && lit.index === found.index) return;
    dark();
    const { panel, marks, square } = found, shapes = draw("g", { class: "lit" });
    if (panel.by === "x") shapes.append(draw("line", { x1: marks[0], x2: marks[0], y1: panel.box[1] + 6, y2: panel.box[3] - 6 }));
    for (let k = 0; k < marks.length; k += 2) {
      if (square) shapes.append(draw("rect", { x: marks[k] - square / 2, y: marks[k + 1] - square / 2, width: square, height: square }));
      else if (marks[k + 1] !== null) shapes.append(draw("circle", { cx: marks[k], cy: marks[k + 1], r: 5 }));
    }
    svg.append(shapes);
    const [first, ...others] = found.text.split("\n").map((words, index) => {
      const line = document.createElement(index ? "div" : "b");
      line.textContent = words;
      return line;
    });
    tip.replaceChildren(first, ...others);
    (svg.closest("dialog") ?? document.body).append(tip);
    tip.hidden = false;
    lit = { svg, shapes, panel, index: found.index };
    const place = new DOMPoint(marks[0], marks[1] ?? panel.box[1]).matrixTransform(svg.getScreenCTM());
    const width = tip.offsetWidth, after = place.x + 14 + width < document.documentElement.clientWidth;
    tip.style.left = Math.max(8, after ? place.x + 14 : place.x - 14 - width) + "px";
    tip.style.top = Math.max(8, Math.min(place.y - tip.offsetHeight - 10, innerHeight - tip.offsetHeight - 8)) + "px";
  };
  const point = (event) => {
    const svg = event.target.closest?.("svg[data-hover]");
    if (!svg || stage.classList.contains("dragged")) return dark();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    for (const panel of panelsOf(svg)) {
      const found = nearest(panel, x, y);
      if (found) return light(svg, found);
    }
    dark();
  };
  for (const type of ["pointermove", "pointerdown"]) document.addEventListener(type, point);
  addEventListener("scroll", dark, { passive: true, capture: true });
  const step = (svg, key) => {
    const panels = panelsOf(svg), now = lit?.svg === svg ? lit : null, panel = now?.panel ?? panels[0];
    const count = panel.by === "cell" ? panel.names.length ** 2 : panel.at.length;
    const wide = panel.by === "cell" ? panel.names.length : 1;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide }[key];
    let next = now ? entry(panel, Math.max(0, Math.min(count - 1, now.index + by))) : entry(panel, 0);
    if (now && (now.index + by < 0 || now.index + by >= count)) {
      const other = panels[panels.indexOf(panel) + Math.sign(by)];
      if (other && other.by !== "cell") next = entry(other, by > 0 ? 0 : other.at.length - 1);
    }
    light(svg, next);
    told.textContent = tip.innerText;
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
    dark();
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
  large.addEventListener("close", dark);
  const enlarge = (picture, words) => {
    const copy = picture.cloneNode(true);
    copy.removeAttribute("width"); copy.removeAttribute("height");
    for (const shapes of $(".lit", copy)) shapes.remove();
    dark();
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
    const chart = picture.querySelector("svg[data-hover]");
    if (!chart) return;
    button.setAttribute("aria-describedby", "keys");
    button.addEventListener("keydown", (event) => {
      if (event.key.startsWith("Arrow")) { event.preventDefault(); step(chart, event.key); }
    });
    button.addEventListener("blur", dark);
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
