"""Published facts that the report prints, each with its source and, for accuracies, its protocol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """An entry of the bibliography, as plain text."""

    authors: str
    title: str
    venue: str
    year: int
    url: str = ""


@dataclass(frozen=True)
class PublishedResult:
    """ImageNet validation errors in percent; `protocol` is a message id, `reference` a key of `REFERENCES`."""

    network: str
    top1_error: float
    top5_error: float
    protocol: str
    reference: str


REFERENCES = {
    "he2016": Reference(
        "K. He, X. Zhang, S. Ren, J. Sun", "Deep residual learning for image recognition", "CVPR", 2016,
        "https://arxiv.org/abs/1512.03385",
    ),
    "krizhevsky2012": Reference(
        "A. Krizhevsky, I. Sutskever, G. Hinton", "ImageNet classification with deep convolutional neural networks",
        "NIPS", 2012,
    ),
    "simonyan2015": Reference(
        "K. Simonyan, A. Zisserman", "Very deep convolutional networks for large-scale image recognition", "ICLR", 2015,
        "https://arxiv.org/abs/1409.1556",
    ),
    "zhou2014": Reference(
        "B. Zhou, A. Lapedriza, J. Xiao, A. Torralba, A. Oliva",
        "Learning deep features for scene recognition using Places database", "NIPS", 2014,
    ),
    "vinyals2016": Reference(
        "O. Vinyals, C. Blundell, T. Lillicrap, K. Kavukcuoglu, D. Wierstra", "Matching networks for one shot learning",
        "NIPS", 2016, "https://arxiv.org/abs/1606.04080",
    ),
    "ravi2017": Reference(
        "S. Ravi, H. Larochelle", "Optimization as a model for few-shot learning", "ICLR", 2017,
        "https://openreview.net/forum?id=rJY0-Kcll",
    ),
    "he2015": Reference(
        "K. He, X. Zhang, S. Ren, J. Sun",
        "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification", "ICCV", 2015,
        "https://arxiv.org/abs/1502.01852",
    ),
    "ioffe2015": Reference(
        "S. Ioffe, C. Szegedy",
        "Batch normalization: accelerating deep network training by reducing internal covariate shift", "ICML", 2015,
        "https://arxiv.org/abs/1502.03167",
    ),
    "xiao2017": Reference(
        "H. Xiao, K. Rasul, R. Vollgraf",
        "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", "arXiv:1708.07747", 2017,
        "https://arxiv.org/abs/1708.07747",
    ),
    "lecun1998": Reference(
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner", "Gradient-based learning applied to document recognition",
        "Proceedings of the IEEE 86(11)", 1998,
    ),
    "loshchilov2017": Reference(
        "I. Loshchilov, F. Hutter", "SGDR: stochastic gradient descent with warm restarts", "ICLR", 2017,
        "https://arxiv.org/abs/1608.03983",
    ),
    "goyal2017": Reference(
        "P. Goyal et al.", "Accurate, large minibatch SGD: training ImageNet in 1 hour", "arXiv:1706.02677", 2017,
        "https://arxiv.org/abs/1706.02677",
    ),
    "russakovsky2015": Reference(
        "O. Russakovsky et al.", "ImageNet large scale visual recognition challenge",
        "International Journal of Computer Vision 115(3)", 2015, "https://arxiv.org/abs/1409.0575",
    ),
    "selvaraju2017": Reference(
        "R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra",
        "Grad-CAM: visual explanations from deep networks via gradient-based localization", "ICCV", 2017,
        "https://arxiv.org/abs/1610.02391",
    ),
    "wilson1927": Reference(
        "E. B. Wilson", "Probable inference, the law of succession, and statistical inference",
        "Journal of the American Statistical Association 22(158)", 1927,
    ),
    "newcombe1998": Reference(
        "R. G. Newcombe", "Interval estimation for the difference between independent proportions",
        "Statistics in Medicine 17(8)", 1998,
    ),
    "bonett2012": Reference(
        "D. G. Bonett, R. M. Price",
        "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data",
        "Journal of Educational and Behavioral Statistics 37(4)", 2012,
    ),
    "zou2008": Reference(
        "G. Y. Zou, A. Donner", "Construction of confidence limits about effect measures: a general approach",
        "Statistics in Medicine 27(10)", 2008,
    ),
    "mcnemar1947": Reference(
        "Q. McNemar", "Note on the sampling error of the difference between correlated proportions or percentages",
        "Psychometrika 12(2)", 1947,
    ),
    "guo2017": Reference(
        "C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger", "On calibration of modern neural networks", "ICML", 2017,
        "https://arxiv.org/abs/1706.04599",
    ),
    "akiba2019": Reference(
        "T. Akiba, S. Sano, T. Yanase, T. Ohta, M. Koyama",
        "Optuna: a next-generation hyperparameter optimization framework", "KDD", 2019,
        "https://arxiv.org/abs/1907.10902",
    ),
    "bergstra2011": Reference(
        "J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl", "Algorithms for hyper-parameter optimization", "NIPS", 2011,
    ),
    "bengio2004": Reference(
        "Y. Bengio, Y. Grandvalet", "No unbiased estimator of the variance of k-fold cross-validation",
        "Journal of Machine Learning Research 5", 2004,
    ),
    "polyak1992": Reference(
        "B. T. Polyak, A. B. Juditsky", "Acceleration of stochastic approximation by averaging",
        "SIAM Journal on Control and Optimization 30(4)", 1992,
    ),
    "howard2018": Reference(
        "J. Howard, S. Ruder", "Universal language model fine-tuning for text classification", "ACL", 2018,
        "https://arxiv.org/abs/1801.06146",
    ),
    "szegedy2016": Reference(
        "C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna",
        "Rethinking the Inception architecture for computer vision", "CVPR", 2016, "https://arxiv.org/abs/1512.00567",
    ),
    "zhong2020": Reference(
        "Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang", "Random erasing data augmentation", "AAAI", 2020,
        "https://arxiv.org/abs/1708.04896",
    ),
    "cubuk2020": Reference(
        "E. D. Cubuk, B. Zoph, J. Shlens, Q. V. Le",
        "RandAugment: practical automated data augmentation with a reduced search space", "CVPR Workshops", 2020,
        "https://arxiv.org/abs/1909.13719",
    ),
    "zhang2018": Reference(
        "H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz", "mixup: beyond empirical risk minimization", "ICLR", 2018,
        "https://arxiv.org/abs/1710.09412",
    ),
    "yun2019": Reference(
        "S. Yun, D. Han, S. J. Oh, S. Chun, J. Choe, Y. Yoo",
        "CutMix: regularization strategy to train strong classifiers with localizable features", "ICCV", 2019,
        "https://arxiv.org/abs/1905.04899",
    ),
    "chollet2015": Reference("F. Chollet et al.", "Keras", "keras.io", 2015, "https://keras.io/api/applications/"),
}  # fmt: skip

DATASET_REFERENCES = {
    "fashion-mnist": "xiao2017",
    "mnist": "lecun1998",
    "mini-imagenet": "vinyals2016",
    "places": "zhou2014",
}
"""Who published a data set, by what its title contains in lower case; the first that fits counts."""


def dataset_reference(title: str) -> str:
    """Key of the reference that introduced the data set of this title, or empty."""
    return next((key for word, key in DATASET_REFERENCES.items() if word in title.lower()), "")


IMAGENET_RESULTS = (
    PublishedResult("alexnet", 40.7, 18.2, "one network, 10 crops", "krizhevsky2012"),
    PublishedResult("alexnet", 38.1, 16.4, "five networks, 10 crops", "krizhevsky2012"),
    PublishedResult("vgg19", 25.5, 8.0, "one network, one scale", "simonyan2015"),
    PublishedResult("vgg19", 24.8, 7.5, "one network, several scales", "simonyan2015"),
    PublishedResult("vgg19", 24.4, 7.1, "one network, several crops and dense evaluation", "simonyan2015"),
    PublishedResult("resnet50", 22.85, 6.71, "one network, 10 crops", "he2016"),
    PublishedResult("vgg19", 28.7, 10.0, "weights of keras.applications, single crop", "chollet2015"),
    PublishedResult("resnet50", 25.1, 7.9, "weights of keras.applications, single crop", "chollet2015"),
)
"""Tables 2 of Krizhevsky 2012, 3-5 of Simonyan & Zisserman 2015, 3 of He 2016; accuracies of keras.io as errors."""
