"""Product cards of one photo in several colours, laid out on a sheet; a person may look at them first."""

import asyncio
from typing import Annotated

from prefect import flow
from pydantic import Field

from comfypipe import Run
from comfypipe.orchestration import approval, cancel_runs, open_project, run_workflow

Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]


@flow(name="product_card", flow_run_name="product card of {photo}", on_cancellation=[cancel_runs])
async def product_card(
    photo: str = "assets/vase.png",
    colours: Annotated[list[Colour], Field(min_length=1, max_length=12)] = ["#c8553d", "#3d6f8e", "#d9a441"],  # noqa: B006
    size: Annotated[int, Field(ge=128, le=2048, multiple_of=8)] = 512,
    ask: bool = False,
    out: str | None = "out/product_card",
) -> Run:
    """
    Make a contact sheet of cards, one for each colour.

    Args:
        photo: The product, cut out or on transparency (path or URL).
        colours: Colours to show the product in, as in CSS.
        size: Side of a card in pixels.
        ask: Wait for somebody to look at the cards before the sheet is made.
        out: Folder that the sheet is copied into.
    """
    async with open_project():
        cutout = await run_workflow("cutout", {"photo": photo, "size": size})
        tinted = await asyncio.gather(
            *(run_workflow("recolour", {"image": cutout.outputs["image"], "colour": colour}) for colour in colours)
        )
        cards = await asyncio.gather(
            *(run_workflow("card", {"product": each.outputs["image"], "size": size}) for each in tinted)
        )
        pictures = [card.outputs["image"] for card in cards]
        if ask:
            pictures = await approval(pictures)
        return await run_workflow("contact_sheet", {"images": pictures, "cell": size}, out=out)
