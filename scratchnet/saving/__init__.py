"""Models in files: Keras 3's own formats, read and written without Keras.

archive   model.keras: what the model is, how it is compiled, its weights and the optimizer's state
weights   model.weights.h5: weights and the optimizer's state only
"""
