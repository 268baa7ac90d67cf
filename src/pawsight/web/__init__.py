"""A classifier as an HTTP service with a page, and the review page. Needs pawsight[serve]; imported when used."""
