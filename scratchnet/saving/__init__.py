"""Models in files: Keras 3's own formats, read and written without Keras, and others.

archive            model.keras: what the model is, how it is compiled, its weights and the
                   optimizer's state
weights            model.weights.h5: weights and the optimizer's state only
legacy             model.h5, weights.h5: what older Keras wrote, read only
safetensors_file   model.safetensors: bare weights
onnx_export        model.onnx: predictions for other runtimes, written only
backup             a training that can go on

configs            how Keras writes down what a thing is
matching           which array of a model is which of a file
hdf5               the weights file's format, read without the C library
limits             what a config may ask for
strict_json        how it may be written
"""
