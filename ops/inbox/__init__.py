"""``./herald inbox``: a stage's messages as a page on 127.0.0.1. docs/inbox.md.

====================  =================================================================================
``mailbox``           what the page needs of a stage
``filters``           which messages are looked at: a query string, and the same as an object
``words``             what states, signals and troubles are called here, and when something was
``tags``              elements of HTML and SVG, in which text is always escaped
``views``             the pages
``timeline``          a message's steps as a picture
``guard``             who may look: one browser, and no page of another site
``app``               the map: every route
``server``            runs it until Ctrl-C
====================  =================================================================================

Messages are written by strangers. What they wrote becomes text of an element and nothing else, and the policy of every
page forbids scripts altogether: Herald's own page has none.
"""
