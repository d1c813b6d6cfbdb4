"""Products: lenses with the marks they carry, as a table, one as a sheet, from pictures, and those in the trash."""

import streamlit as st

from pages.ui.components import native
from pages.ui.i18n import _
from pages.ui.links import linked_switch
from pages.ui.products import from_pictures, one, shelf
from pages.ui.state import end_page

product_id = one.asked()
if product_id is not None:
    native.from_the_top(str(product_id))
    one.show(product_id)
    end_page()

with st.container(horizontal=True, vertical_alignment="center"):
    st.title(_("Products"), width="stretch")
    views = {"table": _("Table"), "pictures": _("From pictures"), "trash": _("Trash")}
    view = linked_switch(_("View"), views, param="view", key="products.view", default="table")
if view == "trash":
    one.bin_of_products()
elif view == "pictures":
    from_pictures.show()
else:
    shelf.show()
