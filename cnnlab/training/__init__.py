"""Training: from a run spec and a table of images to a published run record.

Light on purpose: the framework is imported by `cnnlab.training.fit` and its neighbours, through `backend`.
"""
