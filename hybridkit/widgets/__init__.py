"""The inspector of language pairs: pure functions of what a run left behind, and the widget that joins them."""
