import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';
import { theming } from './lib/theme.svelte';

theming.begin();
mount(App, { target: document.getElementById('app')! });
