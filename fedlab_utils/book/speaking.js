// Gives the controls of an app the names, values and states that a screen reader tells, all taken from what is shown.
// Kinds of controls are known here, not the controls of any app.
const SETTLED = 1000; // milliseconds without a new picture after which it is told
const LONGEST = 120; // characters of what is told of a picture, where a sentence is not longer by itself
const SENTENCE = /\S.*?(?:[。！？]|[.!?](?=\s|$)|$)/gs;

function set(node, attribute, value) {
  if (node && value && node.getAttribute(attribute) !== value) node.setAttribute(attribute, value);
}

function shown(node) {
  return (node?.textContent ?? "").trim();
}

// The visible label of the control that a node is a part of; where it has none, its tooltip.
function label(node) {
  const control = node.closest(".widget-inline-hbox, .widget-radio");
  return shown(control.querySelector(".widget-label")) || control.title || node.title || control.querySelector("[title]")?.title;
}

const RULES = {
  "[title=null]": (node) => node.removeAttribute("title"),
  // Else JupyterLab takes the arrows for itself, and goes to the next cell.
  "select, .noUi-handle, .widget-radio-box": (node) => set(node, "data-lm-suppress-shortcuts", "true"),
  ".noUi-handle": (node) => {
    set(node, "aria-label", label(node));
    set(node, "aria-valuetext", shown(node.closest(".widget-slider").querySelector(".widget-readout")));
  },
  ".widget-readout[contenteditable=true]": (node) => {
    set(node, "role", "textbox");
    set(node, "aria-label", label(node));
  },
  "select, textarea, input[type=text]": (node) => set(node, "aria-label", label(node)),
  ".widget-radio-box": (node) => {
    set(node, "role", "radiogroup");
    set(node, "aria-label", label(node));
  },
  ".widget-toggle-button": (node) => {
    const on = String(node.classList.contains("mod-active"));
    const fold = node.closest(".fedlab-fold");
    set(node, fold ? "aria-expanded" : "aria-pressed", on);
    if (!fold) return;
    fold.lastElementChild.id ||= crypto.randomUUID?.() ?? `fold-${Math.random()}`; // the former only over TLS or at home
    set(node, "aria-controls", fold.lastElementChild.id);
  },
  ".progress": (node) => {
    set(node, "role", "progressbar");
    set(node, "aria-label", shown(node.closest(".widget-hbox")).replace(/\s+/g, " "));
    set(node, "aria-valuenow", String(Math.round(parseFloat(node.firstElementChild.style.width) || 0)));
  },
  ".fedlab-group": (node) => {
    set(node, "role", "group");
    set(node, "aria-label", shown(node.firstElementChild));
  },
  ".fedlab-said": (node) => set(node, "role", "status"),
  ".fedlab-said [role=status]": (node) => node.removeAttribute("role"), // else it would be told twice
};

// What of a picture's words is told: from the first sentence on that was not in those told before, as many as find room.
// Where all were, from the first.
export function news(words, before) {
  const known = new Set(before.match(SENTENCE));
  const all = [...words.matchAll(SENTENCE)];
  const start = Math.max(0, all.findIndex(([sentence]) => !known.has(sentence)));
  let text = "";
  for (const { 0: sentence, index } of all.slice(start)) {
    const longer = words.slice(all[start].index, index + sentence.length);
    if (text && longer.length >= LONGEST) break;
    text = longer;
  }
  return text;
}

function render({ el }) {
  el.classList.add("fedlab-speaking");
  el.setAttribute("role", "status");
  let root, timer, frame, shows, busy, told = "", used = false;

  function name() {
    for (const [selector, rule] of Object.entries(RULES)) root.querySelectorAll(selector).forEach(rule);
    const alt = root.querySelector("img")?.alt;
    const training = root.querySelector(".fedlab-busy") !== null; // the bar of one that was stopped stands where it stood
    if (alt === shows && training === busy) return;
    [shows, busy] = [alt, training];
    clearTimeout(timer);
    if (!busy) timer = setTimeout(tell, SETTLED);
  }

  // Told when the picture has come to rest, and only where she has done something: else Run All would speak for minutes.
  function tell() {
    if (!used || !shows) return;
    el.textContent = news(shows, told);
    told = shows;
  }

  const observer = new MutationObserver(name);
  const act = () => { used = true; };

  function begin() {
    root = el.closest(".fedlab-app");
    if (!root) { // made, and not yet in its place
      frame = requestAnimationFrame(begin);
      return;
    }
    for (const kind of ["keydown", "pointerdown"]) root.addEventListener(kind, act, true);
    const attributeFilter = ["class", "style", "title", "alt", "aria-valuetext"];
    observer.observe(root, { subtree: true, childList: true, characterData: true, attributeFilter });
    name();
  }

  begin();
  return () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    observer.disconnect();
    for (const kind of ["keydown", "pointerdown"]) root?.removeEventListener(kind, act, true);
  };
}

export default { render };
