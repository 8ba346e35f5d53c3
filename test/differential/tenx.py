"""
tenx.py
        10x Genomics' .h5 files: a matrix of features x barcodes, by barcode.
"""
import h5py
import numpy as np

from h5write import write_strings

GENOMES = ("GRCh38", "mm10")


def write_arrays(group, matrix, storage):
    """The matrix, cells x genes in rows, as 10x has it; returns its data."""
    data = storage.write(group, "data", matrix.data, True)
    storage.write(group, "indices", matrix.indices)
    storage.write(group, "indptr", matrix.indptr)
    group.create_dataset("shape", data=np.array(matrix.shape[::-1], "i4"))
    return data


def gene_ids(names):
    return ["ENSG%05d" % i for i in range(len(names))]


def write_version_3(f, content, storage, style):
    """As Cell Ranger 3 and later: the group matrix, with features."""
    matrix = content.matrices["X"]
    group = f.create_group("matrix")
    matrix.data = write_arrays(group, matrix, storage)
    write_strings(group, "barcodes", content.obs.index, style)
    features = group.create_group("features")
    n = len(content.var_names)
    write_strings(features, "id", gene_ids(content.var_names), style)
    write_strings(features, "name", content.var_names, style)
    write_strings(features, "feature_type", [
        ("Gene Expression", "Antibody Capture")[i % 5 == 4]
        for i in range(n)], style)
    write_strings(features, "genome", ["GRCh38"] * n, style)
    features.create_dataset("_all_tag_keys", data=np.array([b"genome"]))
    f.attrs["filetype"] = "matrix"
    f.attrs["version"] = np.int64(2)


def write_genome(f, genome, content, storage, style):
    """As before: a group for each genome."""
    matrix = content.matrices["X"]
    group = f.create_group(genome)
    matrix.data = write_arrays(group, matrix, storage)
    write_strings(group, "barcodes", content.obs.index, style)
    write_strings(group, "genes", gene_ids(content.var_names), style)
    write_strings(group, "gene_names", content.var_names, style)


def write_file(path, writer, content, other, storage, style, libver,
               userblock):
    """A file of content, and with two genomes of other too."""
    with h5py.File(path, "w", libver=(libver, "v110"),
                   userblock_size=userblock) as f:
        if writer == "10x 3":
            write_version_3(f, content, storage, style)
            return
        write_genome(f, GENOMES[0], content, storage, style)
        if writer == "10x 2 genomes":
            write_genome(f, GENOMES[1], other, storage, style)


def texts(dataset):
    return [v.decode("utf-8", "surrogateescape") for v in dataset[...]]


def read(path, group):
    """
    As scanpy.read_10x_h5 reads it (gex_only=False), from which this is taken:
    the arrays of the matrix, its shape, names of cells, names of genes.
    """
    with h5py.File(path) as f:
        if "matrix" in f:
            group, names = f["matrix"], "features/name"
        else:
            group, names = f[group or GENOMES[0]], "gene_names"
        n_genes, n_cells = group["shape"][...]
        parts = [group[part][...] for part in ("indptr", "indices", "data")]
        return parts, (n_cells, n_genes), texts(group["barcodes"]), \
            texts(group[names])
