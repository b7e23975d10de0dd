// MathJax, kept beside the pages; Sphinx calls this only where a page has formulas. A screen reader is given MathML.
window.MathJax = {
  chtml: { fontURL: "../mathjax/woff-v2" },
  options: { ignoreHtmlClass: "page", processHtmlClass: "math" },
};
document.head.append(Object.assign(document.createElement("script"), { src: "../mathjax/tex-chtml.js" }));
