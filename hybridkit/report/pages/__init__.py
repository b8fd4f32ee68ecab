"""The static sibling of the inspector: `report/pairs/`, a matrix of language pairs and a page for each of them.

Pages open from disk: no server, no network, no build step. The matrices are in `matrix.js`, the texts once for all
pages in one file a language (`texts-de.js`), put in by textContent; tables of ranks and all links are plain HTML.

What tests take hold of, by data-testid. On `index.html`: `matrix` (table; each cell a link `cell-de-en`, the pool
`cell-de-pool`), the selects `strategy`, `minus`, `measure`, `legend`, `missing` (what is not there, and the command
that makes it), the lists `lowest`, `gained`, `bias`. On `de_en.html` (pool: `de_pool.html`): `matrix-link`, `report`,
`previous`, `next`, `reversed`, `pool-link`, `histogram`, `histogram-table`, `summary`, the tables `worst` and
`changed`; in them a tbody `query` (data-id) a query with a details `top`, which when opened holds the lists `top-now`
and `top-before` with items `passage` (data-passage; classes relevant, twin), in each `badge`, `passage-text` and
`gloss`; the button `open-all`. Selects, lists of passages and texts need JavaScript; the rest does not.
"""

from hybridkit.report.pages.site import write_pages

__all__ = ["write_pages"]
