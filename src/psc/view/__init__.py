"""A page to play with, served on this machine: ``psc view``.

decoding    a file's rounds, and restorations of any of them, in one thread of its own
comparison  other codecs' files of the same size as after a round
tints       a map of deviations as a coloured picture
server      the page and its pictures over HTTP
page.html   the page: no other file, no code from elsewhere
"""
