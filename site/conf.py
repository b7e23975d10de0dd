"""Sphinx, for either language: `build.py` says which in FEDLAB_SITE_LANGUAGE, and where the book is published in the others."""

import os
from urllib.parse import quote, urlparse

from fedlab_utils.book.chapters import BOOK

edition = os.environ["FEDLAB_SITE_LANGUAGE"]
zh = edition == "zh"
# The address of the repository, such as https://github.com/owner/name: the workflow fills in its own. Launch buttons stand
# only where one is given, and those of a JupyterHub only where that has an address.
repository = os.environ.get("FEDLAB_SITE_REPOSITORY", "").rstrip("/")
hub = os.environ.get("FEDLAB_SITE_HUB", "").rstrip("/")

project = "通信高效的联邦学习" if zh else "Communication-efficient federated learning"
html_title = project
language = "zh_CN" if zh else "en"
html_show_copyright = False
html_show_sourcelink = False
html_copy_source = False
html_use_index = False
smartquotes = False  # the prose has its own
today_fmt = html_last_updated_fmt = None

extensions = ["myst_nb"]
exclude_patterns = ["pictures"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
nb_execution_mode = "off"  # the editions hold their outputs
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_block"]
myst_links_external_new_tab = False
mathjax_path = "formulas.js"
mathjax_options = {"defer": "defer"}
add_module_names = False

html_theme = "furo"
html_static_path = ["static"]
templates_path = ["templates"]
html_favicon = "static/mark.svg"
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_additional_pages = {"search": "search.html"}
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/language.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
html_context = {
    "edition": edition,
    "twin": "en" if zh else "zh",
    "twin_name": "English" if zh else "中文",
    "repository": repository,
}
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5a8a", "color-brand-content": "#0b5a8a", "color-brand-visited": "#6b3f8f"},
    "dark_css_variables": {"color-brand-primary": "#7cc0ee", "color-brand-content": "#7cc0ee", "color-brand-visited": "#c7a3e6"},
}


def launch_links(page: str) -> list[tuple[str, str]]:
    """Where a chapter runs, by name: on Binder, if the repository is on GitHub; on a JupyterHub, if that has an address."""
    if page not in {chapter.file for chapter in BOOK} or not repository:
        return []
    path, links = quote(f"lab/tree/my/{edition}/{page}.ipynb"), []
    where = urlparse(repository)
    if where.hostname == "github.com":
        links.append(("Binder", f"https://mybinder.org/v2/gh{where.path}/HEAD?urlpath={path}"))
    if hub:
        path = quote(f"lab/tree{where.path[where.path.rindex('/') :]}/notebooks/{edition}/{page}.ipynb")
        links.append(("JupyterHub", f"{hub}/hub/user-redirect/git-pull?repo={quote(repository, safe='')}&urlpath={path}"))
    return links


def setup(app):
    def context(app, pagename, templatename, context, doctree):
        context["launch"] = launch_links(pagename)
        if pagename == "90_teacher":  # the answers: a search finds them behind what they answer
            context["body"] = f'<div data-pagefind-weight="0.3">{context["body"]}</div>'

    def without_search(app):
        app.builder.search = False  # Pagefind's: Sphinx's own finds no Chinese

    app.connect("html-page-context", context)
    app.connect("builder-inited", without_search)
