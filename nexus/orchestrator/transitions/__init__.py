"""The one room that writes state: every change of a status column, by compare-and-set, with its event.

A change that finds another state than expected touches no row and answers so; whoever
called decides whether that is a conflict, a fenced worker or nothing at all.
"""
