"""The back door: a classifier as a service and pages, over HTTP.

Enters: a run folder and requests from anybody. Leaves: answers, problem documents, pages. Nothing here is imported
before it is needed: Starlette comes with pawsight[serve].
"""
