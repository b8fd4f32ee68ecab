# JupyterLab on the notebooks, and the command hybridkit, with the pinned versions and PyTorch for CPUs:
#   docker build -t hybridkit . && docker run --rm -p 8888:8888 -v hybridkit-runs:/home/me/hybridkit/runs hybridkit
# It prints an address with a token. A GPU: build with --build-arg TORCH_INDEX=https://pypi.org/simple.
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

RUN apt-get update && apt-get install --yes --no-install-recommends make git && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home me
USER me
WORKDIR /home/me/hybridkit
ENV PATH=/home/me/env/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# The dependencies first, so that a change of the kit does not install them again.
COPY --chown=me constraints.txt pyproject.toml ./
RUN python -m venv /home/me/env \
    && grep '^torch==' constraints.txt > /tmp/torch.txt \
    && pip install --index-url "$TORCH_INDEX" --extra-index-url https://pypi.org/simple -r /tmp/torch.txt \
    && python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; e = p['optional-dependencies']; print(*p['dependencies'], *e['notebooks'], *e['lexical'], *e['search'], *e['offline'], sep='\n')" > /tmp/all.txt \
    && pip install --constraint constraints.txt -r /tmp/all.txt

COPY --chown=me . .
RUN pip install --no-deps --editable . && mkdir -p runs
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--notebook-dir=notebooks"]
