"""How a finished run is looked at: the HTML report, tables of a paper, pages of language pairs, the inspector.

It may import everything but the command line, and it makes nothing that a run keeps. Start at `html_report`, or at
`views` for what pages and inspector share.
"""
