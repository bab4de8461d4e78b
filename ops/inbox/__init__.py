"""``./herald inbox``: a stage's messages as a page on 127.0.0.1. docs/inbox.md.

====================  =================================================================================
``app``               the map: every route
``server``            runs it until Ctrl-C
``guard``             who may look: one browser, and no page of another site
``mailbox``           what the pages need of a stage
``filters``           which messages are shown: a query string, and the same as an object
``views``             what each page shows, as plain values
``templates/``        the pages (Jinja2, which escapes every value)
``words``             the texts for states, signals and times
``timeline``          a message's steps as a picture
``shapes``            a shape for each state
====================  =================================================================================

Messages are written by strangers. What they wrote is only ever text of an element, and the policy of every page forbids
scripts: Herald's own pages have none.
"""
