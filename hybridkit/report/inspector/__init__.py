"""The inspector of language pairs, a widget: start at `inspector`; `payloads` has what it draws, `layout` its controls.

Names for tests and screen readers. Controls are ipywidgets, found by their label (role and accessible name), each with
a CSS class besides:

    combobox  "Benchmark" .hk-benchmark, "Seed" .hk-seed, "Remedy" .hk-remedy and "Its remedy" .hk-minus-remedy, where
              there is a choice; "Strategy" .hk-strategy; "Compared with" .hk-minus ("nothing" for none);
              "Matrix shows" .hk-shows; "Measure" .hk-measure; "Order" .hk-order; "Search in" .hk-candidates
    textbox   "Filter" .hk-contains; "Search" .hk-search (Enter searches); "Points" .hk-where, with the map
    checkbox  a strategy that is shown too .hk-also; "English under each passage" .hk-gloss;
              "Map of all queries and passages" .hk-map

Everything else carries a data-testid:

    hint          one sentence on what one sees (role=status)
    missing       what is not there (role=note), one li a sentence; absent when nothing is missing
    matrix        the matrix, role=grid, aria-label "AP of ..., query language by passage language"
      cell        role=gridcell, data-query="ar" data-passage="de" ("*" the pool), aria-selected, aria-label "Arabic
                  queries, German passages: 0.81" (with ", not significant" where it is greyed); one cell has
                  tabindex 0, arrow keys, Home and End move the focus, Enter and Space select
    legend        the colours of the matrix from worse to better, and the values at their ends
    queries       the list of queries, role=grid, one role=row data-query-id="..." with data-rank, data-before a query;
                  arrow keys move the focus and page on at the ends, Enter and Space select, aria-selected
      query-count "1-25 of 1,190 queries"; page-previous, page-next: buttons
    query         the open query: its text (lang, dir), its id
    ranking-pair, ranking-pool
                  the two rankings: a section of each strategy [data-strategy] with an ol and, for each passage, a
                  li[data-testid=passage][data-rank][data-passage-id] with data-relevant="true" and data-twin="true";
                  in it badge (the language), text (lang, dir), score, gloss (the English twin, where it is shown)
    ladder        the rank ladder, role=group with a description; a point a language and strategy, role=button,
                  data-strategy, data-language, data-rank, aria-label "Thai: rank 310 by mono"; Enter picks that pair
    map           a canvas a strategy [data-strategy]; arrow keys go from point to point, Enter picks, Escape takes the
                  rectangle away, which a drag draws
    map-tip       the text of the point under the mouse or the keys (role=status); map-legend: the languages' colours
    map-state     how many texts filter and rectangle leave, or what is wrong with the filter (role=status)
    search-state  what the search does: "Loading the model of mono ...", "312 ms", an error (role=status)
    search-results  sections like those of the rankings
    python        the three lines of Python; python-copy: the button "Copy as Python"
"""
