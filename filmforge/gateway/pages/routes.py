"""The addresses of the pages, in the order in which they are looked at."""

from fastapi import APIRouter

from filmforge.gateway.pages import (
    animatic,
    attention,
    board,
    budget,
    channels,
    costs,
    decisions,
    doors,
    editing,
    media,
    new_film,
    notes,
    prices,
    review,
    review_media,
    shares,
    shot,
    static_files,
    team,
    trail,
)

PAGES: tuple[APIRouter, ...] = tuple(
    part.router
    for part in (
        doors, static_files, review, review_media, media, shot, notes, decisions, prices, animatic,
        attention, budget, costs, editing, new_film, shares, channels, trail, team,
        board,  # last, for a page such as /films/new is no film
    )
)  # fmt: skip
