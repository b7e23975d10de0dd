// Gives the controls of an app the names, values and states that a screen reader tells, all taken from what is shown.
// Kinds of controls are known here, not the controls of any app.
const SETTLED = 1000; // milliseconds without a new picture after which it is told
const LONGEST = 120; // characters of what is told of a picture, where its first sentence is not longer by itself

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

function render({ el }) {
  el.classList.add("fedlab-speaking");
  el.setAttribute("role", "status");
  let root, timer, frame, alt, training = false, used = false;

  function name() {
    for (const [selector, rule] of Object.entries(RULES)) root.querySelectorAll(selector).forEach(rule);
    const [altBefore, trainingBefore] = [alt, training];
    alt = root.querySelector("img")?.alt;
    training = root.querySelector("button:enabled > .fa-stop") !== null; // the bar stays where a training was stopped
    if (alt !== altBefore || training !== trainingBefore) {
      clearTimeout(timer);
      timer = setTimeout(tell, SETTLED);
    }
  }

  // Told when the picture has come to rest, and only where she has done something: else Run All would speak for minutes.
  function tell() {
    if (!used || training || !alt) return;
    const [first, ...rest] = alt.match(/.+?(?:[。！？]|[.!?](?=\s|$)|$)/gs);
    let text = first;
    for (const next of rest) { // up to the first sentence that there is no room for
      if (text.length + next.length >= LONGEST) break;
      text += next;
    }
    el.textContent = text;
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
    const attributeFilter = ["class", "style", "title", "alt", "aria-valuetext", "disabled"];
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
