"""The tools `isochrone probe` and `isochrone reflect`: measuring and answering, no controller."""
