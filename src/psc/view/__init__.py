"""A page to play with, served on this machine: ``psc view``.

worker      the one thread that decodes
decoding    a file's rounds, and restorations of any of them
gallery     the pictures made so far
comparison  other codecs' files of the same size as after a round
server      the page and its pictures over HTTP
page.html   the page: no other file, no code from elsewhere
"""
